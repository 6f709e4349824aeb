#!/usr/bin/env bash
# LLaVA's task LoRA command (its scripts/v1_5/finetune_task_lora.sh) with a facial prior and EmoLA's settings: another
# entry module, learning rate 1e-4 for 2e-4, seed 1, and the prior's own lines. Every setting can be given from the
# environment, and flags behind the script come last and win. The same command again goes on from the newest whole
# checkpoint.
#   MODEL=llava-v1.5-7b DATA=train.json IMAGES=images bash scripts/finetune_faba_lora.sh
#   FULL=1 ...                         finetune everything instead of LoRA
#   BITS=4 ...                         QLoRA; the prior's projector stays unquantised
#   PRIOR= ...                         stock LLaVA, without a prior
#   DATA=emotion.json,au.json ...      several tasks at once
#   VALIDATION=emotion_eval.json,au_eval.json ...   watch the run: scores of held-out faces, the best model kept
#   GPUS=4 PRIOR=emola_2d106 PRIOR_MODEL=2d106det.onnx ... --max_steps 100
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=host0 ...   several machines, also by torchrun: scripts/launcher.sh, docs/scale.md
set -euo pipefail
MODEL=${MODEL:-liuhaotian/llava-v1.5-7b}
VISION_TOWER=${VISION_TOWER:-openai/clip-vit-large-patch14-336}
DATA=${DATA:?the training file(s) in FABA-Instruct format, for example DATA=train.json}
IMAGES=${IMAGES:?the folder that the image paths are relative to, for example IMAGES=images}
PRIOR=${PRIOR-dlib_68}
PRIOR_MODEL=${PRIOR_MODEL:-}
PRIOR_DROPOUT=${PRIOR_DROPOUT:-0.02} # learns an empty prior, with which faces are answered that the prior cannot read
FULL=${FULL:-}
OUT=${OUT:-checkpoints/llava-v1.5-7b-faba$([ -n "$FULL" ] || echo -lora)} # LLaVA takes a folder named "lora" for an adapter
BITS=${BITS:-16}
EPOCHS=${EPOCHS:-1}
BATCH=${BATCH:-16} # on each GPU
ACCUMULATE=${ACCUMULATE:-1}
LR=${LR:-$([ -n "$FULL" ] && echo 2e-5 || echo 1e-4)} # 2e-5 is that of LLaVA's scripts/v1_5/finetune.sh
MM_PROJECTOR_LR=${MM_PROJECTOR_LR:-2e-5}
LORA_R=${LORA_R:-128}
LORA_ALPHA=${LORA_ALPHA:-256}
LORA="--lora_enable True --lora_r $LORA_R --lora_alpha $LORA_ALPHA --mm_projector_lr $MM_PROJECTOR_LR"
SEED=${SEED:-1}
SAVE_STEPS=${SAVE_STEPS:-50000}
ZERO=${ZERO:-$(dirname "$0")/$([ "$BITS" = 16 ] && echo zero3.json || echo zero2.json)} # ZeRO-3 cannot split 4 bits
REPORT_TO=${REPORT_TO:-none}
VALIDATION=${VALIDATION:-} # evaluation files, one a task
VALIDATION_STEPS=${VALIDATION_STEPS:-} # empty: every tenth of the run, under 5 % of its time
# torch, not nvidia-smi: it may be a build without CUDA, and CUDA_VISIBLE_DEVICES may hide the GPUs from it
GPU=${GPU:-$(python -c 'import torch; print(torch.cuda.is_available())' 2> /dev/null || echo False)}
BF16=${BF16:-$GPU}
TF32=${TF32:-$GPU}
WORKERS=${WORKERS:-$([ "$GPU" = True ] && echo 4 || echo 0)}
GPUS=${GPUS:-$([ "$GPU" = True ] || echo 1)} # empty: all of this machine's; without a GPU: ranks on the CPU
EXTRA=${EXTRA:-}
# shellcheck source=scripts/launcher.sh
source "$(dirname "$0")/launcher.sh" # sets `launch`

# shellcheck disable=SC2086  # LORA and EXTRA hold several words
"${launch[@]}" --module llava_faba.train.train_mem \
    $([ -n "$FULL" ] || echo "$LORA") \
    --bits "$BITS" \
    --deepspeed "$ZERO" \
    --model_name_or_path "$MODEL" \
    --version v1 \
    --data_path "$DATA" \
    --image_folder "$IMAGES" \
    ${VALIDATION:+--validation "$VALIDATION"} \
    ${VALIDATION_STEPS:+--validation_steps "$VALIDATION_STEPS"} \
    --vision_tower "$VISION_TOWER" \
    ${PRIOR:+--facial_prior_tower "$PRIOR" --facial_prior_dropout "$PRIOR_DROPOUT"} \
    ${PRIOR_MODEL:+--facial_prior_model "$PRIOR_MODEL"} \
    --mm_projector_type mlp2x_gelu \
    --mm_vision_select_layer -2 \
    --mm_use_im_start_end False \
    --mm_use_im_patch_token False \
    --image_aspect_ratio pad \
    --group_by_modality_length True \
    --bf16 "$BF16" \
    --output_dir "$OUT" \
    --num_train_epochs "$EPOCHS" \
    --per_device_train_batch_size "$BATCH" \
    --per_device_eval_batch_size 4 \
    --gradient_accumulation_steps "$ACCUMULATE" \
    --evaluation_strategy no \
    --save_strategy steps \
    --save_steps "$SAVE_STEPS" \
    --save_total_limit 1 \
    --learning_rate "$LR" \
    --weight_decay 0. \
    --warmup_ratio 0.03 \
    --lr_scheduler_type cosine \
    --logging_steps 1 \
    --tf32 "$TF32" \
    --model_max_length 2048 \
    --gradient_checkpointing True \
    --dataloader_num_workers "$WORKERS" \
    --lazy_preprocess True \
    --report_to "$REPORT_TO" \
    --seed "$SEED" \
    $EXTRA "$@"
