#!/usr/bin/env bash
# Which program links what, through however many libraries: cdul-train alone knows libtorch, cdul-label and cdul-predict
# ONNX Runtime, cdul-eval neither. --version names them. And libcdul exports what its headers declare, no more;
# libcdul_train, which alone of the two knows libtorch, what train.h declares.
#   links.sh FOLDER_OF_PROGRAMS FOLDER_OF_HEADERS LIBCDUL [LIBCDUL_TRAIN]
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS FOLDER_OF_HEADERS LIBCDUL [LIBCDUL_TRAIN]" "$@"
bin=$1 headers=$2 library=$3 training=${4:-}

# links FILE WANTED NOT...: patterns of library names.
links() {
    local file=$1 wanted=$2 found name
    shift 2
    found=$(ldd "$file") || fail "ldd $file: $found"
    ! grep -F "not found" <<<"$found" || fail "$file misses libraries"
    [ -z "$wanted" ] || grep -q "$wanted" <<<"$found" || fail "$file does not link $wanted"
    for name in "$@"; do
        ! grep "$name" <<<"$found" || fail "$file links $name"
    done
}

links "$bin/cdul-label" libonnxruntime libtorch libc10 libprotobuf
links "$bin/cdul-predict" libonnxruntime libtorch libc10 libprotobuf
links "$bin/cdul-eval" "" libonnxruntime libtorch libc10 libprotobuf
[ -n "${CDUL_SANITIZE:-}" ] || links "$bin/cdul-eval" "" libstdc++ # sanitizers bring it
links "$library" libonnxruntime libtorch libc10 libprotobuf
[ -z "$training" ] || { links "$training" libtorch && links "$training" 'libcdul\.so'; }
[ ! -e "$bin/cdul-train" ] || links "$bin/cdul-train" libtorch libonnxruntime

# reports PROGRAM LIBRARY...: --version has a line with the version of each of these and of no other.
reports() {
    local program=$1 found
    shift
    [ -e "$bin/cdul-$program" ] || return 0 # a build without it
    found=$("$bin/cdul-$program" --version | awk 'NR > 2 && $1 != "providers" { print $1 (NF == 2 && $2 ~ /^[0-9]/ ? "" : "?") }')
    [ "$found" = "$(printf '%s\n' "$@")" ] || fail "cdul-$program --version: $found"
}

reports label cJSON xxHash libjpeg-turbo libpng libwebp stb_image utf8proc OpenMP onnxruntime
reports predict cJSON xxHash libjpeg-turbo libpng libwebp stb_image onnxruntime
reports eval cJSON xxHash expat OpenMP
reports train cJSON xxHash libjpeg-turbo libpng libwebp stb_image expat OpenMP libtorch

# exports LIBRARY HEADER...
exports() {
    local exported declared
    exported=$(nm -D --defined-only "$1" | awk '{ print $3 }' | sort)
    shift
    declared=$(grep -hoE 'cdul_[a-z0-9_]+\(' "$@" | tr -d '(' | sort -u)
    diff <(echo "$declared") <(echo "$exported") || fail "declared (<) and exported (>) functions differ"
}

mapfile -t others < <(find "$headers" -name '*.h' ! -name train.h)
exports "$library" "${others[@]}"
[ -z "$training" ] || exports "$training" "$headers/train.h"

# The environment is the program's.
for file in "$library" ${training:+"$training"}; do
    ! nm -D --undefined-only "$file" | grep -wE 'getenv|secure_getenv|setenv|unsetenv|putenv' ||
        fail "$file uses the environment"
done
passed
