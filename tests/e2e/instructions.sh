#!/usr/bin/env bash
# Counts the instructions of what speed depends on, which no other work on the machine changes, and fails where they
# are more than they were. For an optimised build by GCC on a processor with AVX2.
#   instructions.sh INSTRUCTIONS [record]     record: prints the counts as the list below
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

# Thousands of instructions, by GCC 12. A count that falls is to be recorded again.
counts='resize 23417
planes 2074
aggregate 27940
rank 10808
csv 24422'
takes "INSTRUCTIONS [record]" "$@"
program=$(realpath "$1")
if ! command -v valgrind >/dev/null || ! grep -q avx2 /proc/cpuinfo; then
    skip "no valgrind, or no AVX2"
fi
in_scratch
awk 'BEGIN {
    for (c = 0; c < 80; c++) line = line ",class " c
    print "image" line
    for (i = 0; i < 2000; i++) {
        line = i ".jpg"
        for (c = 0; c < 80; c++) line = line ((i * 7 + c * 13) % 29 ? ",-1" : ",1")
        print line
    }
}' >truth.csv

count() { # WORK -> thousands of instructions
    valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file=/dev/null "$program" "$1" 2>&1 |
        sed -n 's/.*I *refs: *//p' | tr -d , | awk '{ printf "%d", $1 / 1000 }'
}

base=$(count nothing)
failed=0
for work in resize planes aggregate rank csv; do
    found=$(($(count $work) - base))
    if [ "${2-}" = record ]; then
        echo "$work $found"
        continue
    fi
    known=$(awk -v work=$work '$1 == work { print $2 }' <<<"$counts")
    awk -v work=$work -v found="$found" -v known="$known" 'BEGIN {
        printf "%-10s %8d thousand, recorded %8d: %.3f\n", work, found, known, found / known
        exit found > 1.05 * known
    }' || failed=1
done
[ "$failed" -eq 0 ] || { echo "instructions.sh: more than 5 % above what is recorded" >&2; exit 1; }
