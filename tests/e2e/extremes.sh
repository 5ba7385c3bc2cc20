#!/usr/bin/env bash
# The programs on what is as small, as large or as empty as it can be: one image, one class, none, 10,000 classes, batches
# larger than the set, labels of nothing but zeros, images of 1 x 1 and of 20,000 x 20,000 pixels. Then hostile names: of
# images in lists, which must not lead outputs astray, and of classes.
#   extremes.sh FOLDER_OF_PROGRAMS
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS" "$@"
bin=$(realpath "$1")
in_scratch
label=("$bin/cdul-label" -e "$golden/encoder/clip" -j 2)
train=()
[ ! -x "$bin/cdul-train" ] || train=("$bin/cdul-train" --arch resnet18 --size 32 --epochs 1 --warmup 0 --precision fp32 -j 2 -q)

# solid FILE WIDTH HEIGHT
solid() {
    printf 'P6\n%d %d\n255\n' "$2" "$3" >"$1"
    head -c $(($2 * $3 * 3)) /dev/zero | tr '\0' "${4-p}" >>"$1"
}

limit=() # of pixels: for all programs

# whole NAME CLASSES OPTION...: the images of folder NAME from labels to scores.
whole() {
    local name=$1 classes=$2
    shift 2
    expect_exit 0 "${label[@]}" -C "$classes" "$name" -b 4096 "${limit[@]}" "$@" -o "$name.safetensors" --csv "$name.csv"
    [ "${#train[@]}" -gt 0 ] || return 0
    rm -rf "$name-run"
    expect_exit 0 "${train[@]}" "${limit[@]}" -b 4096 -l "$name.safetensors" "$name" -o "$name-run"
    expect_exit 0 "$bin/cdul-predict" "$name-run" "$name" "${limit[@]}" -f csv -o "$name-scores.csv" --html "$name.html"
    [ "$(wc -l <"$name-scores.csv")" -eq "$(wc -l <"$name.csv")" ] || fail "$name: other images in the scores"
    ! grep -qi 'nan\|inf' "$name.csv" "$name-scores.csv" || fail "$name: a score that is no number"
}

# One image, of one pixel; one class.
mkdir one
solid one/a.ppm 1 1
printf 'cat\n' >one.txt
whole one one.txt
[ "$(cat one.csv)" = "$(printf 'image,cat\na.ppm,1')" ] || fail "$(cat one.csv)"
expect_exit 2 "${label[@]}" -C one.txt one -a zscore -o x.safetensors
says err "1.5 positives an image are not possible with 1 class"
whole one one.txt -a zscore --calibrate-positives 0.5
rm -rf one-run
printf 'image,cat\na.ppm,1\n' >truth.csv
expect_exit 0 "$bin/cdul-eval" -t truth.csv one.safetensors

# Thin ones.
mkdir thin
solid thin/tall.ppm 1 5000
solid thin/wide.ppm 5000 1
whole thin one.txt

# No image, no class.
mkdir none
: >nothing.txt
expect_exit 1 "${label[@]}" -C one.txt none -o x.safetensors
says err "none: no images found"
expect_exit 1 "${label[@]}" -C one.txt @nothing.txt -o x.safetensors
says err "no images found"
expect_exit 1 "${label[@]}" -C nothing.txt one -o x.safetensors
says err "nothing.txt: no classes in it"
printf 'image,cat\n' >empty.csv
expect_exit 1 "$bin/cdul-eval" -t truth.csv empty.csv
if [ "${#train[@]}" -gt 0 ]; then
    expect_exit 1 "${train[@]}" -l empty.csv one -o x-run
    says err "0 images, 1 classes: nothing to train on"
    expect_exit 1 "$bin/cdul-predict" thin-run none
    says err "none: no images found"
fi

# Labels that are all zero, by each loss; all one.
for value in 0 1; do
    printf 'image,cat,dog\ntall.ppm,%d,%d\nwide.ppm,%d,%d\n' $value $value $value $value >same.csv
    for loss in bernoulli_kl bce softmax_kl; do
        [ "${#train[@]}" -gt 0 ] || continue
        rm -rf same-run
        expect_exit 0 "${train[@]}" --loss $loss --target kl -l same.csv thin -o same-run
        ! grep -q 'null\|nan' same-run/log.jsonl || fail "$loss of labels that are all $value: $(cat same-run/log.jsonl)"
        expect_exit 0 "$bin/cdul-predict" same-run thin -o x.jsonl
    done
done
printf 'image,cat,dog\ntall.ppm,0,0\nwide.ppm,0,0\n' >zero.csv
expect_exit 0 "$bin/cdul-eval" -t zero.csv zero.csv --json
! grep -qi 'nan\|inf' out || fail "$(cat out)"

# 10,000 classes.
awk 'BEGIN { for (i = 0; i < 10000; i++) print "class " i }' >many.txt
whole thin many.txt -a global
[ "$(head -1 thin.csv | tr ',' '\n' | wc -l)" -eq 10001 ] || fail "$(head -c 200 thin.csv)"

# 20,000 x 20,000: refused by default without being decoded; with --max-pixels, where there is room, as any other.
mkdir huge
# A BMP: offset of the pixels 62, header of 40, width, height, 1 plane, 1 bit a pixel, two colours.
side='\x20\x4e\0\0' zero='\0\0\0\0'
printf "BM$zero$zero\\x3e\0\0\0\\x28\0\0\0$side$side\1\0\1\0$zero$zero$zero$zero$zero$zero$zero$zero" >huge/bits.bmp
head -c 50000000 /dev/zero >>huge/bits.bmp
expect_exit 1 "${label[@]}" -C one.txt huge -o x.safetensors
says err "20000 x 20000 pixels exceeds the limit of"
says err "(--max-pixels)"
solid huge/a.ppm 3 3
expect_exit 3 "${label[@]}" -C one.txt huge -o x.safetensors
says x.safetensors.skipped.csv "huge/bits.bmp"
if [ "$(awk '/MemAvailable/ { print int($2 / 1e6) }' /proc/meminfo)" -ge 6 ]; then
    limit=(--max-pixels 400000000)
    whole huge one.txt
fi
solid huge/b.ppm 30 30
expect_exit 3 "${label[@]}" -C one.txt huge -o x.safetensors --max-pixels 100
grep -q '30 x 30 pixels exceeds the limit of 100 pixels' x.safetensors.skipped.csv || fail "$(cat x.safetensors.skipped.csv)"

passed
