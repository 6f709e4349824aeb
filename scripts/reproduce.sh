#!/usr/bin/env bash
# From liuhaotian/llava-v1.5-7b and FABA-Instruct to the numbers of the paper's Tables 7, 8 and 9 beside ours: check the
# files, read the priors once, train each variant, describe the test files, score. A step that is done is not done again,
# so that the same command continues a run that was stopped. docs/reproduce.md says what it takes in disk, memory and hours.
#   DATA=FABAInstruct bash scripts/reproduce.sh
#   DATA=FABAInstruct PRIOR=emola_2d106 PRIOR_MODEL=2d106det.onnx GPUS=4 BATCH=32 bash scripts/reproduce.sh
#   VARIANTS=both ... bash scripts/reproduce.sh --max_steps 100      a first look
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
DATA=${DATA:?the folder of FABA-Instruct, for example DATA=FABAInstruct}
IMAGES=${IMAGES:-$DATA}                                     # the folder that the image paths are relative to
EMOTION=${EMOTION:-$DATA/train_emotion.json} AU=${AU:-$DATA/train_au.json} # the names of these four differ by mirror
EVAL_EMOTION=${EVAL_EMOTION:-$DATA/eval_emotion.json} EVAL_AU=${EVAL_AU:-$DATA/eval_au.json}
MODEL=${MODEL:-liuhaotian/llava-v1.5-7b}
PRIOR=${PRIOR:-dlib_68}
PRIOR_MODEL=${PRIOR_MODEL:-}
OUT=${OUT:-runs/reproduce}
VARIANTS=${VARIANTS:-both visual_only prior_only projector_alone random_projector} # Tables 7, 8 and 9
RULES=emola                                                 # the released scorer's, as in the paper

for file in "$EMOTION" "$AU" "$EVAL_EMOTION" "$EVAL_AU"; do
  if [ ! -f "$file" ]; then
    echo "reproduce: $file does not exist. DATA holds train_emotion.json, train_au.json, eval_emotion.json and" \
      "eval_au.json. Name other files with EMOTION=, AU=, EVAL_EMOTION= and EVAL_AU=." >&2
    exit 2
  fi
done

read_priors() { # NAME FILE: the prior of every face, once; training and describing find it beside data.json
  if [ ! -f "$OUT/priors/$1/data.json" ]; then
    llava-faba doctor "$2" --image-root "$IMAGES" || echo "reproduce: $2 has defects, listed above; going on." >&2
    llava-faba priors "$2" --image-root "$IMAGES" --prior "$PRIOR" ${PRIOR_MODEL:+--model-file "$PRIOR_MODEL"} \
      --out "$OUT/priors/$1"
  fi
}
read_priors train_emotion "$EMOTION"
read_priors train_au "$AU"
read_priors eval_emotion "$EVAL_EMOTION"
read_priors eval_au "$EVAL_AU"

export MODEL IMAGES PRIOR PRIOR_MODEL VARIANTS RULES OUT="$OUT"
EMOTION="$OUT/priors/train_emotion/data.json" AU="$OUT/priors/train_au/data.json" \
  EVAL_EMOTION="$OUT/priors/eval_emotion/data.json" EVAL_AU="$OUT/priors/eval_au/data.json" \
  bash "$HERE/ablate.sh" "$@" | tee "$OUT/tables_8_and_9.txt"

for variant in both visual_only; do # Table 7: EmoLA and LLaVA-1.5
  if [ -f "$OUT/$variant/emotion/answers.jsonl" ]; then
    printf '\n== Table 7, %s\n' "$variant"
    llava-faba score "$OUT/$variant/emotion/answers.jsonl" "$OUT/$variant/au/answers.jsonl" --rules $RULES --compare \
      --json "$OUT/$variant/table_7.json" --html "$OUT/$variant/table_7.html"
  fi
done
for task in emotion au; do
  model="$OUT/both/$task/llava-v1.5-faba-lora"
  if [ -d "$model" ]; then llava-faba card "$model" --scores "$OUT/both/$task/score.json" --force; fi
done
echo "written to $OUT: tables_8_and_9.txt, VARIANT/table_7.json and .html, VARIANT/TASK/answers.jsonl"
