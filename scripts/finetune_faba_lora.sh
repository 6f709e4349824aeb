#!/usr/bin/env bash
# Finetune a LLaVA so that it reads faces: LLaVA's scripts/v1_5/finetune_task_lora.sh with a facial prior and EmoLA's
# learning rate and seed. Everything below is set from the environment; flags given to this script come last and win.
#   DATA=faces/train.json IMAGES=faces OUT=runs/faces bash scripts/finetune_faba_lora.sh
#   DATA=emotion.json,au.json ... bash scripts/finetune_faba_lora.sh --facial_prior_position before
#   FULL=1 ...   finetunes everything instead of LoRA adapters
#   BITS=4 ...   QLoRA: the language model in 4 bits (one GPU is enough), the facial prior's projector as it is
#   LAUNCH="--hostfile hosts" ...   several machines; LAUNCH="--num_gpus 2" some of this one's GPUs
# The same command again goes on from the newest whole checkpoint (SAVE_STEPS says how often there is one).
set -euo pipefail
DATA=${DATA:?training file in the FABA-Instruct format, several with commas between}
IMAGES=${IMAGES:?folder that the image paths in DATA are relative to}
OUT=${OUT:-runs/faba-lora}
MODEL=${MODEL:-liuhaotian/llava-v1.5-7b}
VISION_TOWER=${VISION_TOWER:-openai/clip-vit-large-patch14-336}
PRIOR=${PRIOR-dlib_68}         # empty: none, stock LLaVA
PRIOR_MODEL=${PRIOR_MODEL:-}   # the prior's model file, when it needs one
FULL=${FULL:-0}
BITS=${BITS:-16}
GPU=${GPU:-$(nvidia-smi > /dev/null 2>&1 && echo True || echo False)}
BF16=${BF16:-$GPU}
TF32=${TF32:-$GPU}
LR=${LR:-$([ "$FULL" = 1 ] && echo 2e-5 || echo 1e-4)}
LORA=${LORA:-$([ "$FULL" = 1 ] || echo "--lora_enable True --lora_r 128 --lora_alpha 256 --mm_projector_lr 2e-5")}
EPOCHS=${EPOCHS:-1}
BATCH=${BATCH:-16}             # on each GPU
ACCUMULATION=${ACCUMULATION:-1}
MAX_LENGTH=${MAX_LENGTH:-2048}
SAVE_STEPS=${SAVE_STEPS:-50000}
WORKERS=${WORKERS:-$([ "$GPU" = True ] && echo 4 || echo 0)}
SEED=${SEED:-1}
REPORT_TO=${REPORT_TO:-none}
ZERO=${ZERO:-$(dirname "$0")/$([ "$BITS" = 16 ] && echo zero3.json || echo zero2.json)}
LAUNCH=${LAUNCH-$([ "$GPU" = True ] || echo "--num_accelerators 1")}   # the deepspeed launcher's own flags
EXTRA=${EXTRA:-}               # further flags

# shellcheck disable=SC2086  # LAUNCH, LORA and EXTRA hold several words
deepspeed $LAUNCH --module llava_faba.train.train_mem \
    $LORA \
    --bits "$BITS" \
    --deepspeed "$ZERO" \
    --model_name_or_path "$MODEL" \
    --version v1 \
    --data_path "$DATA" \
    --image_folder "$IMAGES" \
    --vision_tower "$VISION_TOWER" \
    --mm_projector_type mlp2x_gelu \
    --mm_vision_select_layer -2 \
    --mm_use_im_start_end False \
    --mm_use_im_patch_token False \
    --image_aspect_ratio pad \
    --group_by_modality_length True \
    ${PRIOR:+--facial_prior_tower "$PRIOR"} \
    ${PRIOR_MODEL:+--facial_prior_model "$PRIOR_MODEL"} \
    --bf16 "$BF16" \
    --output_dir "$OUT" \
    --num_train_epochs "$EPOCHS" \
    --per_device_train_batch_size "$BATCH" \
    --per_device_eval_batch_size 4 \
    --gradient_accumulation_steps "$ACCUMULATION" \
    --evaluation_strategy "no" \
    --save_strategy "steps" \
    --save_steps "$SAVE_STEPS" \
    --save_total_limit 1 \
    --learning_rate "$LR" \
    --weight_decay 0. \
    --warmup_ratio 0.03 \
    --lr_scheduler_type "cosine" \
    --logging_steps 1 \
    --tf32 "$TF32" \
    --model_max_length "$MAX_LENGTH" \
    --gradient_checkpointing True \
    --dataloader_num_workers "$WORKERS" \
    --lazy_preprocess True \
    --seed "$SEED" \
    --report_to "$REPORT_TO" \
    $EXTRA "$@"
