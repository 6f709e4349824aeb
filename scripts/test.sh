#!/usr/bin/env bash
# Run the tests on both legs: transformers 5.23 ("modern") and LLaVA's own pin 4.37.2 ("legacy"), each in its own
# environment, made at the first call and kept. The quick tests by default; --all adds the slow and the trust ones, and
# at the end those that start vLLM in an environment of its own; --leg NAME runs one leg (modern, legacy, vllm);
# anything else goes to pytest.
#   bash scripts/test.sh
#   bash scripts/test.sh --all
#   bash scripts/test.sh --leg modern tests/model -k positions
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}
VENVS=${LLAVA_FABA_VENVS:-.venvs}
WORKERS=${WORKERS:-2} # test processes at a time; a file's tests stay together

legs=""
marks="not slow and not trust and not gpu and not vllm"
while [ $# -gt 0 ]; do
  case "$1" in
    --all) marks="not gpu and not vllm"; legs="${legs:-modern legacy vllm}"; shift ;;
    --leg) legs="$2"; shift 2 ;;
    *) break ;;
  esac
done
legs="${legs:-modern legacy}"

prepare() { # make the leg's environment, or bring it up to its requirements
  local venv="$VENVS/$1" wanted="tests/requirements-$1.txt"
  local stamp="$venv/.requirements" key
  key=$(cat "$wanted" setup.py scripts/test.sh | sha256sum)
  if [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then return; fi
  echo "== $1: installing into $venv (a few minutes the first time)"
  [ -x "$venv/bin/python" ] || "$PYTHON" -m venv "$venv"
  "$venv/bin/python" -m pip install -q --upgrade pip "setuptools<81" wheel
  "$venv/bin/python" -m pip install -q -r "$wanted"
  "$venv/bin/python" -m pip install -q --no-build-isolation deepspeed==0.19.8
  "$venv/bin/python" -m pip install -q --no-deps llava-torch==1.2.2.post1
  "$venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e .
  echo "$key" > "$stamp"
}

prepare_lmms() { # lmms-eval in an environment of its own, for the test that runs FABA-Bench in it
  local venv="$VENVS/lmms"
  [ -f "$venv/.ready" ] && return
  echo "== lmms: installing into $venv"
  "$PYTHON" -m venv "$venv" && "$venv/bin/python" -m pip install -q "setuptools<81" wheel &&
    "$venv/bin/python" -m pip install -q -r tests/requirements-lmms.txt &&
    "$venv/bin/python" -m pip install -q --no-deps llava-torch==1.2.2.post1 lmms-eval==0.7.3 && touch "$venv/.ready" ||
    { echo "== lmms: not installed; its test is skipped"; rm -rf "$venv"; }
}

prepare_vllm() { # vLLM's own environment, without LLaVA; the tests of the leg run in `modern` and start it
  local venv="$VENVS/vllm" wanted="tests/requirements-vllm.txt" stamp key
  stamp="$venv/.requirements" key=$(cat "$wanted" setup.py | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$key" ] && return
  echo "== vllm: installing into $venv"
  # vLLM's extension for CPUs links it.
  if ! ldconfig -p | grep -q 'libnuma\.so\.1' && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends libnuma1 > /dev/null
  fi
  [ -x "$venv/bin/python" ] || "$PYTHON" -m venv "$venv"
  "$venv/bin/python" -m pip install -q "setuptools<81" wheel && "$venv/bin/python" -m pip install -q -r "$wanted" &&
    # The index's builds of these are for CUDA and break vLLM's import; a model of ours needs none of them.
    "$venv/bin/python" -m pip uninstall -q -y torchvision torchaudio torchcodec &&
    "$venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e . &&
    "$venv/bin/python" -c "from vllm import LLM" 2> /dev/null && echo "$key" > "$stamp" ||
    { echo "== vllm: not installed; its tests are skipped"; rm -rf "$venv"; }
}

# insightface's OpenCV wheel links these two; a container without a screen often lacks them.
if ! ldconfig -p | grep -q 'libGL\.so\.1' && [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
  apt-get update -qq && apt-get install -y -qq --no-install-recommends libgl1 libglib2.0-0 > /dev/null
fi
command -v chromium > /dev/null || command -v chromium-browser > /dev/null ||
  echo "== no chromium here: the tests of the page in a browser are skipped (bash .ci/prepare installs it)"

status=0
for leg in $legs; do
  if [ "$leg" = vllm ]; then
    prepare modern
    prepare_vllm
    echo "== vllm: pytest -m vllm $*"
    CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES-} OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} \
      "$VENVS/modern/bin/python" -m pytest -q -m vllm "${@:-tests/serving}" || status=1
    continue
  fi
  prepare "$leg"
  if [ "$leg" = modern ]; then
    [ "$marks" != "not gpu and not vllm" ] || prepare_lmms
    "$VENVS/$leg/bin/ruff" check . && "$VENVS/$leg/bin/ruff" format --check . || status=1
  fi
  echo "== $leg: pytest -m '$marks' $*"
  CUDA_VISIBLE_DEVICES=${CUDA_VISIBLE_DEVICES-} OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} "$VENVS/$leg/bin/python" \
    -m pytest -q -n "$WORKERS" --dist loadfile -m "$marks" "$@" || status=1
done
exit $status
