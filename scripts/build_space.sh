#!/usr/bin/env bash
# Lay out a folder that is a Hugging Face Space: the demo's files with llava/ and llava_faba/ beside app.py, so that
# nothing of llava-torch's pins is installed there. LLaVA is copied from the environment of PYTHON.
#   bash scripts/build_space.sh runs/space
#   cd runs/space && pip install -r requirements.txt && python app.py
set -euo pipefail
OUT=${1:?usage: bash scripts/build_space.sh OUT}
PYTHON=${PYTHON:-python3}
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
if [ -e "$OUT" ] && [ -n "$(ls -A "$OUT")" ]; then
  echo "build_space: $OUT is there and not empty. The folder must be new or empty. Choose another." >&2
  exit 2
fi
LLAVA=$(PYTHONPATH="$ROOT" "$PYTHON" -c '
from llava_faba.host.fingerprints import check_llava, installed_llava
check_llava(installed_llava())
print(installed_llava())') || { echo "build_space: PYTHON=$PYTHON has no LLaVA that can be copied." >&2; exit 2; }
mkdir -p "$OUT"
for file in README.md app.py requirements.txt packages.txt; do cp "$ROOT/demo/$file" "$OUT"; done
cp "$ROOT/LICENSE" "$OUT"
tar -C "$ROOT" --exclude=__pycache__ -cf - llava_faba | tar -C "$OUT" -xf -
tar -C "$(dirname "$LLAVA")" --exclude=__pycache__ -cf - llava | tar -C "$OUT" -xf -
echo "written to $OUT; next: push it to a Space, or try it: cd $OUT && pip install -r requirements.txt && python app.py"
