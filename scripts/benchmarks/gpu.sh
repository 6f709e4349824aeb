#!/usr/bin/env bash
# What one GPU does with this package, in under ten minutes: training in bfloat16, float16 and QLoRA, under ZeRO-2 and
# ZeRO-3, then a model of the shape of LLaVA-1.5-7B with random weights that describes faces in bfloat16, float16 and
# 4 bits, and the demo. Nothing is fetched. Each row has seconds and the GPU's peak memory; a failing row ends the run.
#   bash scripts/benchmarks/gpu.sh                    about 40 GB of disk for the time it runs, 24 GB of GPU memory
#   SMALL=1 bash scripts/benchmarks/gpu.sh            the same code paths at a small size, on a CPU too
#   OUT=gpu.json ONLY="describe demo" bash scripts/benchmarks/gpu.sh
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python "$HERE/gpu.py" ${SMALL:+--small} ${ONLY:+--only $ONLY} ${OUT:+--json "$OUT"} "$@"
