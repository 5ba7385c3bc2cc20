#!/usr/bin/env bash
# scripts/export_clip.py and embed_text.py against open_clip, transformers and cdul-label: export_clip.py has the tests.
#   export_clip.sh FOLDER_OF_PROGRAMS PYTHON
# PYTHON is that of scripts/setup.sh export.
set -euo pipefail

[ "$#" -eq 2 ] || { echo "usage: export_clip.sh FOLDER_OF_PROGRAMS PYTHON" >&2; exit 2; }
label=$(realpath "$1")/cdul-label
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -x "$2" ]; then
    echo "export_clip.sh: skipped, no $2; run scripts/setup.sh export"
    exit 77
fi
python=$(realpath -s "$2")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
export HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1
"$python" "$here/export_clip.py" "$label"
echo "export_clip.sh: passed"
