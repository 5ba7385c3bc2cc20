#!/usr/bin/env bash
# Prints the tables of docs/results.md: labels by the encoder that comes with cdul, and classifiers trained on them.
#
#   scripts/results.sh DATA OUT [labels|students|bound]...
#
# DATA holds photographs with ground truth: images/, train.txt, val.txt (paths relative to DATA) and labels.csv
# (image,<class>... with 1, 0 = difficult, -1) for the classes of configs/voc-classes.txt. Classifiers are trained on
# train.txt without its labels, and on the photographs that MORE, a folder with a train.txt of its own, adds.
# Everything that is computed stays in OUT and is not computed twice. students takes hours without bfloat16 hardware.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$#" -ge 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
data=$(realpath "$1") out=$2
shift 2
[ "$#" -gt 0 ] || set -- labels students

scripts/setup.sh encoder
cmake -S . -B build-demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DCDUL_TESTS=OFF >/dev/null
ninja -C build-demo --quiet
bin=build-demo/bin
mkdir -p "$out"
sed "s|^|$data/|" "$data/train.txt" >"$out/train.txt"
sed "s|^|$data/|" "$data/val.txt" >"$out/val.txt"
cp "$out/train.txt" "$out/all.txt"
[ -z "${MORE-}" ] || sed "s|^|$(realpath "$MORE")/|" "$MORE/train.txt" >>"$out/all.txt"
# ground truth under the names that the lists give
{ head -n 1 "$data/labels.csv"; tail -n +2 "$data/labels.csv" | sed "s|^|$data/|"; } >"$out/truth.csv"

evaluate() { # FILE -> mAP / BCE / mass
    "$bin/cdul-eval" --json -t "$out/truth.csv" "$1" | /usr/bin/python3 -c '
import json, sys
found = json.load(sys.stdin)["inputs"][0]
print("%.1f / %.4f / %.2f" % (100 * found["map"], found["bce"], found["mass"]))'
}

row() { # TITLE TRAIN VAL
    printf '| %-52s | %-20s | %-20s |\n' "$1" "$2" "$3"
}

label() { # LIST FILE [OPTION]...
    local list=$1 file=$2
    shift 2
    [ -f "$file" ] ||
        "$bin/cdul-label" -q -C configs/voc-classes.txt --cache "$out/cache" "@$list" "$@" -o "$file"
}

label_row() { # TITLE NAME [OPTION]...
    local title=$1 name=$2 part
    shift 2
    for part in train val; do label "$out/$part.txt" "$out/$name-$part.safetensors" "$@"; done
    row "$title" "$(evaluate "$out/$name-train.safetensors")" "$(evaluate "$out/$name-val.safetensors")"
}

labels_table() {
    row "labels: mAP / BCE / mass" train val
    label_row "whole image" global --aggregate global
    label_row "CDUL (3x3 grid, zeta 0, lambda 0)" cdul
    label_row "CDUL, zeta = 0.4" cdul-zeta0.4 --zeta 0.4
    label_row "CDUL, zeta = 1: the minimum" cdul-zeta1 --zeta 1
    label_row "CDUL, T = ln 100: a known mistake" flat -T 4.605 2>/dev/null
    label_row "mean of the crops" mean --aggregate mean
    label_row "mean of the two best crops" top2 --aggregate top2
    label_row "z-scores" zscore --aggregate zscore
    label_row "z-scores, one bias to 1.5 positives" zscore-1.5 --aggregate zscore --calibrate-positives 1.5
    label_row "discriminant" discriminant --aggregate discriminant
    for views in 64 128 512; do
        label_row "discriminant, $views views a class" "discriminant-$views" --aggregate discriminant \
            --discriminant-views "$views"
    done
}

student() { # NAME LABELS LIST [OPTION]...
    local run=$out/run-$1 labels=$2 list=$3
    shift 3
    [ -f "$run/model.onnx" ] || {
        [ ! -f "$run/checkpoint.safetensors" ] || set -- "$@" --resume
        "$bin/cdul-train" -q --labels "$labels" "@$list" -o "$run" --freeze 3 --size 448 --epochs 6 --lr 5e-5 \
            --head-lr-mult 10 --activation-cache "$out/activations" --holdout 0 "$@"
    }
}

student_row() { # TITLE NAME LABELS LIST [OPTION]...
    local title=$1 run=$out/run-$2 part
    shift
    student "$@"
    for part in train val; do
        [ -f "$run/$part.csv" ] || "$bin/cdul-predict" -q "$run" "@$out/$part.txt" -f csv -o "$run/$part.csv"
    done
    row "$title" "$(evaluate "$run/train.csv")" "$(evaluate "$run/val.csv")"
}

# step = eta psi(0.5) = eta / (sigma sqrt(2 pi)): eta 5.013 for step 2 at sigma 1
students_table() {
    local all=$out/all.txt
    label "$all" "$out/cdul-all.safetensors"
    label "$all" "$out/discriminant-all.safetensors" --aggregate discriminant
    row "classifiers at 448 pixels, one view: mAP / BCE / mass" train val
    student_row "of discriminant labels, alignment off" d-off "$out/discriminant-all.safetensors" "$all" --align off
    student_row "the same, weights averaged" d-ema "$out/discriminant-all.safetensors" "$all" --align off --ema 0.99
    student_row "the same, aligned (sigma 1, step 2)" d-aligned "$out/discriminant-all.safetensors" "$all" --ema 0.99 \
        --sigma 1 --eta 5.013
    student_row "of CDUL labels, weights averaged" c-ema "$out/cdul-all.safetensors" "$all" --align off --ema 0.99
}

# The truth of train.txt as labels, difficult objects present: what no pseudo-labels can beat.
bound_table() {
    awk -F, -v OFS=, 'NR == FNR { listed[$1]; next } FNR == 1 || $1 in listed {
        if (FNR > 1) for (i = 2; i <= NF; i++) $i = $i >= 0 ? 1 : 0
        print }' "$out/train.txt" "$out/truth.csv" >"$out/eval-labels.csv"
    row "classifier of ground truth, 448 pixels: mAP / BCE / mass" train val
    student_row "full supervision" eval-bound "$out/eval-labels.csv" "$out/train.txt" --align off --ema 0.99
}

for table in "$@"; do
    case $table in
    labels | students | bound) "${table}_table" ;;
    *) echo "results: unknown table $table: labels, students or bound" >&2 && exit 2 ;;
    esac
done
