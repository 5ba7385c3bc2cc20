#!/usr/bin/env bash
# What cdul costs beside the Python that does the same work: one table, each row measured interleaved with its peers.
#
#   bench/run.sh                        all rows: some hours
#   bench/run.sh --size small           all rows on next to nothing, to see that they run: minutes, figures mean nothing
#   bench/run.sh --rounds 3 'ViT-B/32'  rows with these words in their names; bench/run.sh --list names them
#
# docs/performance.md has the rows one by one. Peers are installed into .deps/bench-venv, which takes torch and open_clip
# from .deps/export-venv. Numbers of a busy machine are worth little: run it alone.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh test export openvino
cmake -S . -B build-bench -G Ninja -DCMAKE_BUILD_TYPE=Release -DCDUL_TESTS=OFF >/dev/null
ninja -C build-bench --quiet
# Of the archives only the label update is taken, which needs no libtorch.
gcc -O2 -Iinclude -Isrc bench/update.c build-bench/lib/libcdul_{train,train_params,base}.a -fopenmp -lm -o build-bench/bin/update
venv=.deps/bench-venv
if ! cmp -s bench/requirements.txt "$venv/requirements.txt"; then
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    # from one venv's packages to the other's: ../../../../ is .deps
    echo "../../../../export-venv/${packages#"$PWD/$venv/"}" >"$packages/export.pth"
    "$venv/bin/python" -m pip install -q --only-binary :all: -r bench/requirements.txt
    cp bench/requirements.txt "$venv/"
fi
mkdir -p build-bench/data
export ORT_DISABLE_TELEMETRY=1 # as the programs do
"$venv/bin/python" bench/bench.py --build build-bench "$@"
