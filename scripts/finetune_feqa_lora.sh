#!/usr/bin/env bash
# Facial expression quality assessment on clips (TraMP-LLaMA's figure on LLaVA): severity 0..4 and a report, by LLaVA's
# LoRA command. The data are PFED5+ style JSON, or PFED5's csv with folders of frames (then with OBJECTIVE=severity: it
# has no reports). DATA, VALIDATION and TEST must not share a patient; the validation set gives the interval (9 patients
# or more for one of 90 %) and chooses nothing, TEST is only compared with the others. From the landmarks to the head
# everything is float32, also under BF16, and balanced MSE compares all ratings of a step: BATCH=1 ACCUMULATE=8 trains
# the severity path as BATCH=8. Settings come from the environment, and flags behind the script come last and win.
#   MODEL=llava-v1.5-7b DATA=train.json VALIDATION=validation.json CLIPS=clips bash scripts/finetune_feqa_lora.sh
#   OBJECTIVE=severity ...                                     first of two stages: the severity path alone
#   OBJECTIVE=report SEVERITY_PATH=FIRST/severity.safetensors ...   second: the report, the severity path as it is
#   POINTS=73 TRAJECTORIES=detect_73_crop COLOURS=RGB_1x1_fromLK ...   PFED5's released landmarks and their colours
#   COLOUR=False ...                                           without the trajectory's colour channels
#   REPORT_MODE=sections ...                                   reports in llava-faba's sections of the expression
#   GPUS=4 ... --max_steps 100
#   NNODES=2 NODE_RANK=0 MASTER_ADDR=host0 ...   several machines, also by torchrun: scripts/launcher.sh, docs/scale.md
set -euo pipefail
MODEL=${MODEL:-liuhaotian/llava-v1.5-7b}
VISION_TOWER=${VISION_TOWER:-openai/clip-vit-large-patch14-336}
DATA=${DATA:?the training file: .json, or the .csv of PFED5, for example DATA=train.json}
VALIDATION=${VALIDATION:-}
TEST=${TEST:-}
CLIPS=${CLIPS:?the folder that the clips are relative to, for example CLIPS=clips}
OUT=${OUT:-checkpoints/llava-v1.5-7b-feqa-lora}
OBJECTIVE=${OBJECTIVE:-joint}
SEVERITY_PATH=${SEVERITY_PATH:-}
EXPRESSIONS=${EXPRESSIONS:-sit_at_rest smile frown squeeze_eyes clench_teeth}
POINTS=${POINTS:-68} # landmarks a frame: 68 (dlib), 106 or 73 (insightface, PFED5)
TRAJECTORIES=${TRAJECTORIES:-}
COLOURS=${COLOURS:-}
COLOUR=${COLOUR:-True}
REPORT_MODE=${REPORT_MODE:-free}
EPOCHS=${EPOCHS:-10}
BATCH=${BATCH:-8} # on each GPU
ACCUMULATE=${ACCUMULATE:-1}
LR=${LR:-2e-4}
MM_PROJECTOR_LR=${MM_PROJECTOR_LR:-2e-5}
LORA_R=${LORA_R:-128}
LORA_ALPHA=${LORA_ALPHA:-256}
SEED=${SEED:-1}
SAVE_STEPS=${SAVE_STEPS:-50000}
ZERO=${ZERO:-$(dirname "$0")/zero2.json}
REPORT_TO=${REPORT_TO:-none}
# torch, not nvidia-smi: it may be a build without CUDA, and CUDA_VISIBLE_DEVICES may hide the GPUs from it
GPU=${GPU:-$(python -c 'import torch; print(torch.cuda.is_available())' 2> /dev/null || echo False)}
BF16=${BF16:-$GPU}
TF32=${TF32:-$GPU}
WORKERS=${WORKERS:-$([ "$GPU" = True ] && echo 4 || echo 0)}
GPUS=${GPUS:-$([ "$GPU" = True ] || echo 1)} # empty: all of this machine's; without a GPU: ranks on the CPU
EXTRA=${EXTRA:-}
# shellcheck source=scripts/launcher.sh
source "$(dirname "$0")/launcher.sh" # sets `launch`

# shellcheck disable=SC2086  # EXPRESSIONS and EXTRA hold several words
"${launch[@]}" --module llava_faba.video.train \
    --lora_enable True --lora_r "$LORA_R" --lora_alpha "$LORA_ALPHA" --mm_projector_lr "$MM_PROJECTOR_LR" \
    --deepspeed "$ZERO" \
    --model_name_or_path "$MODEL" \
    --version v1 \
    --data_path "$DATA" \
    ${VALIDATION:+--validation_path "$VALIDATION"} \
    --image_folder "$CLIPS" \
    --vision_tower "$VISION_TOWER" \
    --mm_projector_type mlp2x_gelu \
    --mm_vision_select_layer -2 \
    --mm_use_im_start_end False \
    --mm_use_im_patch_token False \
    --image_aspect_ratio pad \
    ${TEST:+--test_path "$TEST"} \
    ${TRAJECTORIES:+--trajectory_folder "$TRAJECTORIES"} \
    ${COLOURS:+--colour_folder "$COLOURS"} \
    --motion_frames 64 \
    --motion_points "$POINTS" \
    --motion_colour "$COLOUR" \
    --report_mode "$REPORT_MODE" \
    --picture_frames 8 \
    --visual_token_budget 128 \
    --regression_loss balanced_mse \
    --regression_weight 1.0 \
    --expressions $EXPRESSIONS \
    --feqa_objective "$OBJECTIVE" \
    ${SEVERITY_PATH:+--pretrain_severity_path "$SEVERITY_PATH"} \
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
