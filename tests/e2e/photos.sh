#!/usr/bin/env bash
# Real photographs, the two that come with scikit-learn: what cdul makes of them against Pillow, transformers and
# onnxruntime. photos.py has the tests.
#   photos.sh FOLDER_OF_PROGRAMS PHOTO_PIXELS PYTHON [PHOTO...]
# Photos of one's own stand in for those.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS PHOTO_PIXELS PYTHON [PHOTO...]" "$@"
label=$(realpath "$1")/cdul-label pixels=$(realpath "$2") python=$(program_path "$3")
photos=()
for photo in "${@:4}"; do photos+=("$(realpath "$photo")"); done
in_scratch

needs_modules "$python" numpy onnx onnxruntime PIL safetensors sklearn transformers
"$python" "$here/photos.py" "$label" "$pixels" "${photos[@]}"
passed
