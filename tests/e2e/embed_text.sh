#!/usr/bin/env bash
# scripts/embed_text.py on encoder folders as they are published, and the way to it from cdul-label: embed_text.py has the
# tests.
#   embed_text.sh FOLDER_OF_PROGRAMS PYTHON
# PYTHON is that of scripts/setup.sh test, or of scripts/setup.sh export.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS PYTHON" "$@"
label=$(realpath "$1")/cdul-label
python=$(program_path "$2")
in_scratch
needs_modules "$python" onnxruntime safetensors transformers
"$python" "$here/embed_text.py" "$label"
passed
