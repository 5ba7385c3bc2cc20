#!/usr/bin/env bash
# Builds the fuzz targets (tests/fuzz) with clang and sanitizers and runs each for a time; prints a table. What they find
# stays in build-fuzz/corpus: TARGET.crash-..., .leak-..., .timeout-..., .oom-...
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]     SECONDS of processor time each, by default 60
#   SEED=N scripts/fuzz.sh ...                the same inputs in every run, by default others each time
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
shift "$(($# > 0))"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ cmake --preset fuzz && ninja -C build-fuzz fuzz; } >"$log" 2>&1 || { tail -40 "$log" >&2; exit 1; }
found=$PWD/build-fuzz/corpus
targets=("$@")
[ "$#" -gt 0 ] || mapfile -t targets < <(cd "$found" && printf '%s\n' *.folders | sed 's/\.folders$//')

TIMEFORMAT='%U %S'
total=0
printf '%-16s %12s %8s %8s %9s\n' target executions seconds edges findings
for target in "${targets[@]}"; do
    mapfile -t corpora <"$found/$target.folders"
    executions=0 edges=0 used=0 failed=0
    # libFuzzer counts by the clock, which on a busy machine is not what the target has had
    while [ "$failed" -eq 0 ] && [ "$used" -lt "$seconds" ]; do
        cpu=$( { time "build-fuzz/bin/fuzz_$target" -max_total_time=$((seconds - used)) -timeout=120 -max_len=65536 \
            -print_final_stats=1 -seed="${SEED:-0}" -artifact_prefix="$found/$target." "$found/$target" "${corpora[@]}" >"$log" 2>&1; } 2>&1) || failed=1
        used=$(awk -v before="$used" '{ print int(before + $1 + $2 + 1) }' <<<"$cpu")
        executions=$((executions + $(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1 | grep . || echo 0)))
        edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1 | grep -o '[0-9]*' || echo 0)
    done
    findings=$(find "$found" -maxdepth 1 -regex ".*/$target\.\(crash\|leak\|timeout\|oom\)-.*" | wc -l)
    [ "$failed" -eq 0 ] || grep -E 'ERROR|SUMMARY|does not hold' "$log" >&2 || tail -5 "$log" >&2
    total=$((total + findings + failed))
    printf '%-16s %12s %8s %8s %9s\n' "$target" "$executions" "$used" "$edges" "$findings"
done
[ "$total" -eq 0 ]
