#!/usr/bin/env bash
# scripts/export_clip.py and embed_text.py against open_clip, transformers and cdul-label: export_clip.py has the tests.
#   export_clip.sh FOLDER_OF_PROGRAMS PYTHON
# PYTHON is that of scripts/setup.sh export.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS PYTHON" "$@"
label=$(realpath "$1")/cdul-label
[ -x "$2" ] || skip "no $2; run scripts/setup.sh export"
python=$(realpath -s "$2")
in_scratch
"$python" "$here/export_clip.py" "$label"
passed
