#!/usr/bin/env bash
# Make the starter, the small model that llava-faba brings along, from a CSV of labelled faces (columns image, label).
#   bash scripts/make_starter.sh faces.csv runs/starter
# It takes the product's own steps: landmarks and expression networks (the prior), answers, a fresh LLaVA, train().
# Under 60 minutes on 2 cores; the same CSV and SEED give the same model. OUT/starter is the finished folder.
set -euo pipefail
FACES=${1:?usage: bash scripts/make_starter.sh FACES.csv OUT}
OUT=${2:?usage: bash scripts/make_starter.sh FACES.csv OUT}
SEED=${SEED:-0}
POWER=${POWER:-0.45} # 0: expressions as common as they are in the CSV; 1: all alike
EPOCHS=${EPOCHS:-1}
PYTHON=${PYTHON:-python3}
HERE="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} CUDA_VISIBLE_DEVICES="" TOKENIZERS_PARALLELISM=false
export PYTHONPATH="$HERE/..${PYTHONPATH:+:$PYTHONPATH}"
FACES=$(realpath "$FACES")
mkdir -p "$OUT"
OUT=$(realpath "$OUT")

[ -f "$OUT/priors/manifest.json" ] || "$PYTHON" "$HERE/starter/learn_expression.py" "$FACES" --out "$OUT/priors" --seed "$SEED"
"$PYTHON" "$HERE/starter/write_answers.py" "$FACES" --priors "$OUT/priors" --power "$POWER" --seed "$SEED"
"$PYTHON" "$HERE/starter/make_base.py" "$OUT/priors/data.json" --out "$OUT/llava-v1.5-base" --seed "$SEED"
"$PYTHON" -m llava_faba.train.train \
    --model_name_or_path "$OUT/llava-v1.5-base" \
    --vision_tower "$OUT/llava-v1.5-base/clip" \
    --version v1 \
    --data_path "$OUT/priors/data.json" \
    --image_folder "$(dirname "$FACES")" \
    --facial_prior_tower "dlib_68+expression" \
    --facial_prior_model "expression=$OUT/priors/expression.safetensors" \
    --facial_prior_dropout 0.02 \
    --mm_projector_type mlp2x_gelu \
    --mm_vision_select_layer -2 \
    --mm_use_im_start_end False \
    --mm_use_im_patch_token False \
    --image_aspect_ratio pad \
    --output_dir "$OUT/llava-v1.5-starter" \
    --num_train_epochs "$EPOCHS" \
    --per_device_train_batch_size 32 \
    --learning_rate 2e-3 \
    --adam_beta2 0.98 \
    --weight_decay 0.01 \
    --warmup_ratio 0.05 \
    --lr_scheduler_type cosine \
    --model_max_length 320 \
    --save_strategy no \
    --logging_steps 20 \
    --dataloader_num_workers 0 \
    --report_to none \
    --disable_tqdm True \
    --seed "$SEED"
"$PYTHON" -m llava_faba.cli convert csv --eval "$OUT/priors/held_back.csv" --image-root "$(dirname "$FACES")" --task emotion --out "$OUT/held_back"
"$PYTHON" -m llava_faba.cli describe --model-path "$OUT/llava-v1.5-starter" --data "$OUT/held_back/eval.json" \
    --image-root "$(dirname "$FACES")" --task emotion --probabilities --batch-size 32 --out "$OUT/held_back/answers.jsonl"
"$PYTHON" -m llava_faba.cli score "$OUT/held_back/answers.jsonl" --calibrate
"$PYTHON" "$HERE/starter/pack.py" "$OUT/llava-v1.5-starter" --priors "$OUT/priors" --out "$OUT/starter"
echo "written to $OUT/starter, with the networks of its prior in $OUT/expression.safetensors"
echo "next, to bring it along with the package: cp -r $OUT/starter llava_faba/starter/model && cp $OUT/expression.safetensors llava_faba/starter/"
