#!/usr/bin/env bash
# Sources are formatted as .clang-format says, and shellcheck finds nothing in the scripts.
#   style.sh FOLDER_OF_SOURCES
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_SOURCES" "$@"
cd "$1"
# Versions of clang-format differ in what they make of one file.
if ! clang-format --version 2>/dev/null | grep -q 'version 14\.' || ! command -v shellcheck >/dev/null; then
    skip "no clang-format 14 or no shellcheck; run scripts/setup.sh test"
fi
find include src tests bench -name '*.[ch]' -print0 -o -name '*.cpp' -print0 | xargs -0 clang-format --dry-run -Werror
find scripts tests bench .ci -type f \( -name "*.sh" -o -path .ci/run \) -print0 | xargs -0 shellcheck -x -S warning
passed
