#!/usr/bin/env bash
# The tests that take long or much from the registries: exports of every family of encoders (half an hour), and:
# do the encoder's tests still hold against the newest releases of what they are compared with? Installs those in an
# environment of their own, makes the golden data anew in a scratch folder, and builds and runs the tests on it.
#
#   scripts/nightly.sh [FOLDER]     keeps the scratch folder as FOLDER
#
# Needs scripts/setup.sh build test. torch and torchvision, of which open_clip uses the picture operations alone, are
# Debian's; they hold numpy below 2.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$#" -le 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

packages=(numpy==1.26.4 Pillow onnx onnx_ir onnxruntime safetensors tokenizers transformers)
tests=(layout encoder embed text cache tokenizer preprocess preprocess_config session)

if [ "$#" -eq 1 ]; then
    mkdir "$1"
    scratch=$(realpath "$1")
else
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 HF_HUB_OFFLINE=1

/usr/bin/python3 -m venv --system-site-packages "$scratch/venv"
python=$scratch/venv/bin/python
"$python" -m pip install -q --upgrade --only-binary :all: "${packages[@]}"
"$python" -m pip install -q --no-deps --only-binary :all: --target "$scratch/open_clip" open_clip_torch
"$python" -m pip list --format freeze | grep -iE '^(numpy|pillow|onnx|onnxruntime|safetensors|tokenizers|transformers|torch|torchvision)=='
find "$scratch/open_clip" -maxdepth 1 -name 'open_clip_torch-*' -printf '%f\n'

cp -r tests/golden "$scratch/golden"
for name in encoder tokenizer layouts dialects preprocess; do
    case $name in
    layouts | preprocess) argument=("$scratch/open_clip") ;;
    *) argument=() ;;
    esac
    echo "nightly: make_$name.py"
    "$python" "$scratch/golden/make_$name.py" "${argument[@]}" >"$scratch/make.log" 2>&1 || { cat "$scratch/make.log" >&2; exit 1; }
done

cmake -S . -B "$scratch/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCDUL_TRAIN=OFF "-DCDUL_GOLDEN=$scratch/golden" >/dev/null
ninja -C "$scratch/build" --quiet "${tests[@]/#/test_}" cdul-label
pattern=$(IFS='|' && echo "${tests[*]}")
ctest --test-dir "$scratch/build" --output-on-failure -R "^unit\.($pattern)\$"

scripts/setup.sh export
ctest --test-dir "$scratch/build" --output-on-failure -L nightly
