#!/usr/bin/env bash
# Sets up, builds and passes all tests but the long ones of scripts/nightly.sh. Quick the second time.
#
#   scripts/test.sh            Debian's libtorch, release build
#   scripts/test.sh --asan     the same under AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer
#   scripts/test.sh --tsan     the same, built with clang, under ThreadSanitizer
#   scripts/test.sh --torch2   against PyPI's libtorch 2.x
set -euo pipefail
cd "$(dirname "$0")/.."

build="build"
options=(-DCMAKE_BUILD_TYPE=Release -DCDUL_WERROR=ON)
parts=(build test)
case "${1-}" in
'') ;;
--asan)
    build="build-asan"
    options=(-DCMAKE_BUILD_TYPE=RelWithDebInfo "-DCDUL_SANITIZE=address,undefined")
    ;;
--tsan)
    build="build-tsan"
    options=(-DCMAKE_BUILD_TYPE=RelWithDebInfo -DCDUL_SANITIZE=thread -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++)
    ;;
--torch2)
    build="build-torch2"
    parts+=(torch2)
    options+=("-DCMAKE_PREFIX_PATH=$PWD/.deps/torch2")
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

scripts/setup.sh "${parts[@]}"
cmake -S . -B "$build" -G Ninja -DCDUL_TESTS=ON "${options[@]}" >"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
rm -f "$build.log"
ninja -C "$build" --quiet
find "$build/scratch" -mindepth 2 -delete # what a test that was stopped may have left
export ORT_DISABLE_TELEMETRY=1 # ONNX Runtime in Python; the programs see to that themselves
export CDUL_CLIP_VOCAB=$PWD/.deps/clip_vocab # CLIP's full vocabulary, for the tokenizer's test
ctest --test-dir "$build" --output-on-failure -LE nightly -j "$(nproc)"
