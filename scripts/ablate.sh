#!/usr/bin/env bash
# The shape of the paper's Tables 8, 9, S4 and S5 with any base model: train each variant with finetune_faba_lora.sh,
# describe the test files, score, and print beside the paper's numbers. A task whose files are not given is left out; a
# variant that is scored already is not trained again.
#   MODEL=llava-v1.5-7b IMAGES=images EMOTION=train_emotion.json AU=train_au.json \
#     EVAL_EMOTION=eval_emotion.json EVAL_AU=eval_au.json bash scripts/ablate.sh
#   VARIANTS="both visual_only" ... bash scripts/ablate.sh --max_steps 100
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
MODEL=${MODEL:?the base model}
IMAGES=${IMAGES:?the folder that the image paths are relative to}
OUT=${OUT:-runs/ablation}
VARIANTS=${VARIANTS:-both prior_only visual_only before projector_alone random_projector multi_task}
export MODEL IMAGES PRIOR=${PRIOR:-dlib_68}

flags() { # what sets a variant apart from `both`, the model of the paper
  case $1 in
    both | multi_task) ;;
    prior_only) echo --facial_prior_position only ;;               # Table 8, first row
    visual_only) ;;                                                # Table 8, second row: PRIOR is empty
    before) echo --facial_prior_position before ;;                 # Table S5
    projector_alone) echo --tune_only_facial_prior_projector True ;; # Table 9, first row: lm_head is frozen too
    random_projector) echo --tune_facial_prior_projector False ;;  # Table 9, second row
    *) echo "There is no variant $1; there are: both prior_only visual_only before projector_alone random_projector multi_task." >&2; exit 2 ;;
  esac
}

tasks=
if [ -n "${EMOTION:-}" ]; then tasks="emotion"; fi
if [ -n "${AU:-}" ]; then tasks="$tasks au"; fi
for variant in $VARIANTS; do
  extra=$(flags "$variant")
  if [ "$variant" = multi_task ] && [ "$tasks" != "emotion au" ]; then continue; fi
  for task in $tasks; do
    place="$OUT/$variant/$task"
    if [ -f "$place/score.json" ]; then continue; fi
    if [ $task = emotion ]; then data=$EMOTION test=$EVAL_EMOTION; else data=$AU test=$EVAL_AU; fi
    model="$place/llava-v1.5-faba-lora"
    if [ "$variant" = multi_task ]; then data="$EMOTION,$AU" model="$OUT/multi_task/llava-v1.5-faba-lora"; fi
    if [ "$variant" = visual_only ]; then prior=; else prior=$PRIOR; fi
    if [ ! -f "$model/config.json" ]; then
      PRIOR=$prior DATA=$data OUT=$model bash "$HERE/finetune_faba_lora.sh" $extra "$@"
    fi
    llava-faba describe --model-path "$model" --model-base "$MODEL" --data "$test" --image-root "$IMAGES" \
      --task $task --out "$place/answers.jsonl"
    llava-faba score "$place/answers.jsonl" ${RULES:+--rules "$RULES"} --json "$place/score.json"
  done
done
python "$HERE/ablation_table.py" "$OUT"
