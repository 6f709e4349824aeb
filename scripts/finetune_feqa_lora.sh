#!/bin/bash
# Facial expression quality assessment on clips (TraMP-LLaMA's figure on LLaVA): severity 0..4 and a report, by LoRA.
#
# The data are PFED5+ style JSON, or PFED5's csv with folders of frames (then with FEQA_OBJECTIVE=severity, because it
# has no reports). DATA_PATH and VALIDATION_PATH must not share a patient; the validation set gives the interval and
# chooses nothing. Two stages instead of a joint run: FEQA_OBJECTIVE=severity, then FEQA_OBJECTIVE=report with
# PRETRAIN_SEVERITY_PATH=.../severity.safetensors. Further flags can follow on the command line.
#   BASE=llava-v1.5-7b DATA_PATH=train.json CLIP_FOLDER=clips bash scripts/finetune_feqa_lora.sh

LAUNCHER=${LAUNCHER:-deepspeed}
BASE=${BASE:-liuhaotian/llava-v1.5-7b}
VISION_TOWER=${VISION_TOWER:-openai/clip-vit-large-patch14-336}
DATA_PATH=${DATA_PATH:?a training file: .json, or the .csv of PFED5}
CLIP_FOLDER=${CLIP_FOLDER:?the folder that the clips are relative to}
VALIDATION_PATH=${VALIDATION_PATH:-}
OUTPUT_DIR=${OUTPUT_DIR:-./checkpoints/llava-v1.5-7b-feqa-lora}
ZERO=${ZERO:-./scripts/zero2.json}
FEQA_OBJECTIVE=${FEQA_OBJECTIVE:-joint}
PRETRAIN_SEVERITY_PATH=${PRETRAIN_SEVERITY_PATH:-}
BF16=${BF16:-True}
TF32=${TF32:-True}
EPOCHS=${EPOCHS:-10}
BATCH_SIZE=${BATCH_SIZE:-8}

$LAUNCHER --module llava_faba.video.train \
    --deepspeed $ZERO \
    --lora_enable True --lora_r 128 --lora_alpha 256 --mm_projector_lr 2e-5 \
    --model_name_or_path $BASE \
    --version v1 \
    --data_path $DATA_PATH \
    --image_folder $CLIP_FOLDER \
    ${VALIDATION_PATH:+--validation_path $VALIDATION_PATH} \
    --vision_tower $VISION_TOWER \
    --mm_projector_type mlp2x_gelu \
    --mm_vision_select_layer -2 \
    --mm_use_im_start_end False \
    --mm_use_im_patch_token False \
    --image_aspect_ratio pad \
    --motion_frames 64 \
    --picture_frames 8 \
    --visual_token_budget 128 \
    --regression_loss balanced_mse \
    --regression_weight 1.0 \
    --expressions sit_at_rest smile frown squeeze_eyes clench_teeth \
    --feqa_objective $FEQA_OBJECTIVE \
    ${PRETRAIN_SEVERITY_PATH:+--pretrain_severity_path $PRETRAIN_SEVERITY_PATH} \
    --bf16 $BF16 \
    --tf32 $TF32 \
    --output_dir $OUTPUT_DIR \
    --num_train_epochs $EPOCHS \
    --per_device_train_batch_size $BATCH_SIZE \
    --gradient_accumulation_steps 1 \
    --evaluation_strategy no \
    --save_strategy steps \
    --save_steps 50000 \
    --save_total_limit 1 \
    --learning_rate 2e-4 \
    --weight_decay 0. \
    --warmup_ratio 0.03 \
    --lr_scheduler_type cosine \
    --logging_steps 1 \
    --model_max_length 2048 \
    --gradient_checkpointing True \
    --dataloader_num_workers 4 \
    --lazy_preprocess True \
    --report_to none \
    "$@"
