#!/usr/bin/env bash
# FABA-Bench in one command: describe both test files with a model, then score the answers.
#   MODEL=checkpoints/llava-v1.5-7b-faba-lora BASE=llava-v1.5-7b EMOTION=eval_emotion.json AU=eval_au.json \
#     IMAGES=images bash scripts/eval_faba_bench.sh
set -euo pipefail
MODEL=${MODEL:?the model folder}
BASE=${BASE:-}
EMOTION=${EMOTION:?the emotion test file}
AU=${AU:?the AU test file}
IMAGES=${IMAGES:?the folder that the image paths are relative to}
OUT=${OUT:-runs/faba-bench/$(basename "$MODEL")}

for task in emotion au; do
  if [ $task = emotion ]; then data=$EMOTION; else data=$AU; fi
  llava-faba describe --model-path "$MODEL" ${BASE:+--model-base "$BASE"} --data "$data" --image-root "$IMAGES" \
    --task $task --out "$OUT/$task.jsonl" "$@"
done
llava-faba score "$OUT/emotion.jsonl" "$OUT/au.jsonl" --rules emola --rules paper --rules strict --compare \
  --json "$OUT/score.json" --html "$OUT/report.html"
