#!/usr/bin/env bash
# What cdul costs beside the Python that does the same work: one table, each row measured interleaved with its peer.
#
#   bench/run.sh [ROW]...      all rows, or those named: bench/run.sh --list
#
# Peers are installed into .deps/bench-venv. Numbers of a busy machine are worth little: run it alone.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh build
cmake -S . -B build-bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DCDUL_TESTS=OFF >/dev/null
ninja -C build-bench --quiet
venv=.deps/bench-venv
if ! cmp -s bench/requirements.txt "$venv/requirements.txt"; then
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install -q --only-binary :all: -r bench/requirements.txt
    cp bench/requirements.txt "$venv/"
fi
mkdir -p build-bench/work
"$venv/bin/python" bench/bench.py --bin build-bench/bin --work build-bench/work "$@"
