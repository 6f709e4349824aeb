#!/usr/bin/env bash
# Build sdist and wheel into a folder, check them, install the wheel into an environment of its own, and run its commands
# in an empty folder. It needs the packages build and twine.
#   bash scripts/check_package.sh dist
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}
OUT=${1:-dist}

rm -rf build && "$PYTHON" -m build --outdir "$OUT"
"$PYTHON" -m twine check --strict "$OUT"/*

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
"$PYTHON" -m venv "$WORK/venv"
"$WORK/venv/bin/python" -m pip install -q "$OUT"/llava_faba-*.whl
mkdir "$WORK/empty" && cd "$WORK/empty"
"$WORK/venv/bin/llava-faba" --version
for name in $("$WORK/venv/bin/python" -c "from llava_faba.cli import COMMANDS; print(*COMMANDS)"); do
  "$WORK/venv/bin/llava-faba" "$name" --help > /dev/null
done
"$WORK/venv/bin/python" -c "import llava_faba.eval.bench, llava_faba.evidence.words, llava_faba.data.doctor"
"$WORK/venv/bin/python" -c "import sys, llava_faba.eval.bench; assert not {'torch', 'llava'} & set(sys.modules)"
echo "sound: the wheel installs by itself, and its commands run in an empty folder"
