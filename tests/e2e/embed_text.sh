#!/usr/bin/env bash
# scripts/embed_text.py on encoder folders as they are published, and the way to it from cdul-label: embed_text.py has the
# tests.
#   embed_text.sh FOLDER_OF_PROGRAMS PYTHON
# PYTHON is that of scripts/setup.sh test, or of scripts/setup.sh export.
set -euo pipefail

[ "$#" -eq 2 ] || { echo "usage: embed_text.sh FOLDER_OF_PROGRAMS PYTHON" >&2; exit 2; }
label=$(realpath "$1")/cdul-label
here=$(cd "$(dirname "$0")" && pwd)
python=$(realpath -sm "$(command -v "$2" || echo "$2")")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
export HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1
if ! "$python" -c 'import onnxruntime, safetensors, transformers' >/dev/null 2>missing.txt; then
    echo "embed_text.sh: skipped, run scripts/setup.sh test: $(tail -1 missing.txt)"
    exit 77
fi
"$python" "$here/embed_text.py" "$label"
echo "embed_text.sh: passed"
