#!/usr/bin/env bash
# Sources are formatted as .clang-format says, and shellcheck finds nothing in the scripts.
#   style.sh FOLDER_OF_SOURCES
set -euo pipefail

[ "$#" -eq 1 ] || { echo "usage: style.sh FOLDER_OF_SOURCES" >&2; exit 2; }
cd "$1"
# Versions of clang-format differ in what they make of one file.
if ! clang-format --version 2>/dev/null | grep -q 'version 14\.' || ! command -v shellcheck >/dev/null; then
    echo "style.sh: skipped, no clang-format 14 or no shellcheck; run scripts/setup.sh test"
    exit 77
fi
find include src tests bench -name '*.[ch]' -print0 -o -name '*.cpp' -print0 | xargs -0 clang-format --dry-run -Werror
find scripts tests bench .ci -type f \( -name "*.sh" -o -path .ci/run \) -print0 | xargs -0 shellcheck -x -S warning
echo "style.sh: passed"
