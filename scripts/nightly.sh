#!/usr/bin/env bash
# The tests that take long or much from the registries. Does what holds of encoders still hold with the newest releases of
# what they are compared with, and of ONNX Runtime? In an environment of its own:
#   1. the newest torch, transformers, open_clip, timm, ONNX Runtime and Pillow
#   2. the encoders' golden data made anew by these, in a scratch folder
#   3. cdul built against the newest ONNX Runtime, its tests on those data, and whether that still reports nothing
#   4. the export of every family of encoders (half an hour), and OpenVINO's plug-in beside the CPU
#   5. programs killed at a hundred moments, and with each of thousands of calls failing (hours; docs/reliability.md)
#   6. the ordinary tests under the sanitizers, and each fuzz target for ten minutes of processor time (hours)
#
#   scripts/nightly.sh [FOLDER]     keeps the scratch folder as FOLDER
#
# x86-64 only. The last lines say the versions and the largest differences; docs/encoder-folders.md ("What this is tested against")
# has those of the last run.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$#" -le 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# In this order: models read the pictures of layouts and the vocabulary of tokenizer.
golden=(encoder tokenizer layouts dialects preprocess scores scale library_models)
units=(layout library_models encoder embed cells text cache tokenizer preprocess preprocess_config session scores scale)
programs=(cdul-label cdul-predict cdul-eval any_processor photo_pixels)
packages='torch|torchvision|transformers|tokenizers|open_clip_torch|ftfy|timm|onnx|onnxruntime|pillow|numpy|safetensors'

if [ "$#" -eq 1 ]; then
    mkdir "$1"
    scratch=$(realpath "$1")
else
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1 ORT_DISABLE_TELEMETRY=1

scripts/setup.sh build test openvino export-newest
python=$PWD/.deps/export-newest/bin/python
"$python" -m pip install -q --only-binary :all: onnx_ir # for make_dialects.py
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

cp -r scripts tests "$scratch"
for name in "${golden[@]}"; do
    echo "nightly: make_$name.py"
    case $name in
    layouts | preprocess) argument=("$site") ;; # where open_clip is
    *) argument=() ;;
    esac
    "$python" "$scratch/tests/golden/make_$name.py" "${argument[@]}" >"$scratch/make.log" 2>&1 || {
        cat "$scratch/make.log" >&2
        exit 1
    }
done
echo "nightly: CLIP's whole vocabulary"
"$python" -m pip download -q --no-deps --only-binary :all: -d "$scratch" open_clip_torch
export CDUL_CLIP_VOCAB=$scratch/clip_vocab
"$python" tests/golden/make_tokenizer.py --full "$scratch"/open_clip_torch-*.whl -o "$CDUL_CLIP_VOCAB"

mkdir -p "$scratch/onnxruntime/lib"
cp "$site"/onnxruntime/capi/libonnxruntime.so.*.* "$scratch/onnxruntime/lib"
for link in libonnxruntime.so.1 libonnxruntime.so; do
    (cd "$scratch/onnxruntime/lib" && ln -s libonnxruntime.so.*.* "$link")
done
cmake -S . -B "$scratch/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCDUL_TRAIN=OFF "-DCDUL_GOLDEN=$scratch/tests/golden" \
    "-DONNXRUNTIME_ROOT=$scratch/onnxruntime" "-DCDUL_PYTHON=$python" "-DCDUL_EXPORT_PYTHON=$python" >/dev/null
ninja -C "$scratch/build" --quiet "${units[@]/#/test_}" "${programs[@]}"
pattern=$(IFS='|' && echo "${units[*]}")
ctest --test-dir "$scratch/build" --output-on-failure -R "^(unit\.($pattern)|e2e\.(photos|provider|hostile|export_clip))\$"

cmake -S . -B "$scratch/whole" -G Ninja -DCMAKE_BUILD_TYPE=Release >/dev/null
ninja -C "$scratch/whole" --quiet cdul-label cdul-train cdul-predict cdul-eval faults
ctest --test-dir "$scratch/whole" --output-on-failure -L nightly -E export_clip

scripts/test.sh --asan
scripts/test.sh --tsan
scripts/fuzz.sh 600

results=$scratch/build/Testing/Temporary/LastTest.log
echo "nightly: passed on $(date -I) with"
"$python" -m pip list --format freeze | grep -iE "^($packages)==" | paste -sd' '
for test in layout library_models; do
    sed -n "/Testing: unit\.$test\$/,/^Test time/p" "$results" >"$scratch/out"
    echo "unit.$test: pixels within $(sed -n 's|.*within \(.*\) / 255|\1|p' "$scratch/out" | sort -g | tail -1) / 255," \
        "smallest cosine $(sed -n 's/.* cosine //p' "$scratch/out" | sort -g | head -1)"
done
