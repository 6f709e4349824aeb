#!/usr/bin/env bash
# One row a published part of TraMP-LLaMA on this host: train each variant with finetune_feqa_lora.sh, assess the test
# set, score, and print them side by side. A variant that is scored already is not trained again. Tracks of faces are
# shared by all variants. The severity path alone is trained (OBJECTIVE=severity), but for the rows of the report.
#   MODEL=llava-v1.5-7b DATA=train.json VALIDATION=validation.json TEST=test.json CLIPS=clips bash scripts/ablate_clips.sh
#   VARIANTS="full no_colour" ... bash scripts/ablate_clips.sh --max_steps 100
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
MODEL=${MODEL:?the base model}
CLIPS=${CLIPS:?the folder that the clips are relative to}
TEST=${TEST:?the test set, for example TEST=test.json}
OUT=${OUT:-runs/clip_ablation}
VARIANTS=${VARIANTS:-full no_colour points_106 constant_shift published_sampling published_augmentation one_picture plain_mse ordinal joint two_stages sections}
TOKENS=${TOKENS:-256}
# torch, not nvidia-smi: it may be a build without CUDA
DEVICE=${DEVICE:-$(python -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")' 2> /dev/null || echo cpu)}
export MODEL CLIPS TEST OBJECTIVE=severity

flags() { # what sets a variant apart from `full`; one part each
  case $1 in
    full | joint | two_stages) ;;
    no_colour) echo --motion_colour False ;;
    points_106) echo --motion_points 106 ;; # insightface's 7 x 9 instead of dlib's 7 x 6; needs its model file
    constant_shift) echo --motion_normalisation constant_shift ;;
    published_sampling) echo --motion_sampling published --motion_frames 128 --motion_frames_at_rest 64 --picture_frames 80 ;;
    published_augmentation) echo --motion_augmentation published ;;
    one_picture) echo --picture_frames 1 ;; # of the pictures' part in the fusion
    plain_mse) echo --regression_loss mse ;;
    ordinal) echo --regression_loss ordinal ;;
    sections) echo --report_mode sections ;;
    *) echo "There is no variant $1; there are: full no_colour points_106 constant_shift published_sampling published_augmentation one_picture plain_mse ordinal joint two_stages sections." >&2; exit 2 ;;
  esac
}

for variant in $VARIANTS; do
  place="$OUT/$variant"
  extra=$(flags "$variant")
  if [ -f "$place/scores.json" ]; then continue; fi
  case $variant in
    joint | sections) objective=joint severity= ;;
    two_stages) objective=report severity="$OUT/full/llava-v1.5-feqa-lora/severity.safetensors" ;;
    *) objective=severity severity= ;;
  esac
  model="$place/llava-v1.5-feqa-lora"
  if [ ! -f "$model/severity.safetensors" ]; then
    # shellcheck disable=SC2086  # extra holds several words
    OBJECTIVE=$objective SEVERITY_PATH=$severity OUT=$model bash "$HERE/finetune_feqa_lora.sh" "$@" $extra
  fi
  llava-faba evaluate-clips "$TEST" --image-root "$CLIPS" --model-path "$model" --model-base "$MODEL" \
    --out "$place/predictions.jsonl" --max-new-tokens "$TOKENS" --device "$DEVICE" --json "$place/scores.json" \
    ${TRAJECTORIES:+--trajectory-folder "$TRAJECTORIES"} ${COLOURS:+--colour-folder "$COLOURS"} > /dev/null
done
python "$HERE/clip_ablation_table.py" "$OUT"
