#!/usr/bin/env bash
# Real photographs, the two that come with scikit-learn: what cdul makes of them against Pillow, transformers and
# onnxruntime. photos.py has the tests.
#   photos.sh FOLDER_OF_PROGRAMS PHOTO_PIXELS PYTHON [PHOTO...]
# Photos of one's own stand in for those.
set -euo pipefail

[ "$#" -ge 3 ] || { echo "usage: photos.sh FOLDER_OF_PROGRAMS PHOTO_PIXELS PYTHON [PHOTO...]" >&2; exit 2; }
label=$(realpath "$1")/cdul-label pixels=$(realpath "$2") python=$(realpath -sm "$(command -v "$3" || echo "$3")")
here=$(cd "$(dirname "$0")" && pwd)
photos=()
for photo in "${@:4}"; do photos+=("$(realpath "$photo")"); done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

if ! "$python" -c 'import numpy, onnx, onnxruntime, PIL, safetensors, sklearn, transformers' 2>missing.txt; then
    echo "photos.sh: skipped, run scripts/setup.sh test: $(tail -1 missing.txt)"
    exit 77
fi
HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1 "$python" "$here/photos.py" "$label" "$pixels" "${photos[@]}"
echo "photos.sh: passed"
