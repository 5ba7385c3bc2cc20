#!/usr/bin/env bash
# The main job end to end: pseudo-labels by the encoder that comes with cdul, a classifier trained on them, a report.
#
#   scripts/demo.sh PHOTOS NAME...        on a folder of photographs and the names of what to look for
#   scripts/demo.sh PHOTOS classes.txt    the same with a file of names
#   scripts/demo.sh                       on composed scenes whose truth is known: less than a quarter of an hour on two
#                                         cores; with a table of what each step is worth
#   scripts/demo.sh --quick               the same with fewer and smaller scenes, to see that everything works
#
# SCENES, TEST_SCENES, SIZE and EPOCHS in the environment override the sizes. Results go to demo-out/. Ground truth is
# used for the table alone.
set -euo pipefail
cd "$(dirname "$0")/.."

scenes=${SCENES:-360} test_scenes=${TEST_SCENES:-140} size=${SIZE:-320} epochs=${EPOCHS:-6} copies=3 out=demo-out
photos='' names=()
case "${1-}" in
'') ;;
--quick)
    scenes=${SCENES:-100} test_scenes=${TEST_SCENES:-50} size=${SIZE:-224} epochs=${EPOCHS:-4} copies=1
    out=demo-out/quick
    ;;
*)
    photos=$1 size=${SIZE:-448} out=demo-out/photos
    shift
    names=("$@")
    if [ ! -d "$photos" ] || [ "${#names[@]}" -eq 0 ]; then
        sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
        exit 2
    fi
    photos=$(realpath "$photos")
    ;;
esac

step() { printf '\n== %s\n' "$*"; }

step "set-up and build"
scripts/setup.sh "$([ -n "$photos" ] && echo encoder || echo demo)"
cmake -S . -B build-demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DCDUL_TESTS=OFF >/dev/null
ninja -C build-demo --quiet
bin=build-demo/bin
mkdir -p "$out"

label() { "$bin/cdul-label" -c configs/demo.json --cache "$out/cache" "$@"; }

# train RUN LABELS IMAGES... [OPTION]...
train() {
    local run=$1 labels=$2
    shift 2
    rm -rf "${out:?}/$run"
    "$bin/cdul-train" -c configs/demo.json --labels "$labels" --size "$size" --epochs "$epochs" \
        --activation-copies "$copies" --activation-cache "$out/activations" -o "$out/$run" "$@"
}

if [ -n "$photos" ]; then
    if [ "${#names[@]}" -eq 1 ] && [ -f "${names[0]}" ]; then
        cp "${names[0]}" "$out/classes.txt"
    else
        printf '%s\n' "${names[@]}" >"$out/classes.txt"
    fi
    # A few classes divide every view among themselves, so other things take their share beside them.
    background=()
    if [ "$(wc -l <"$out/classes.txt")" -lt 6 ]; then
        cut -f1 "$out/classes.txt" | grep -v -i -x -f - configs/background-words.txt >"$out/background-words.txt"
        background=(--background-words "$out/background-words.txt")
    fi
    step "pseudo-labels of $photos"
    label --classes "$out/classes.txt" "${background[@]}" "$photos" -o "$out/labels.safetensors" || [ $? -eq 3 ]
    step "a ResNet-50 trained on them"
    train run "$out/labels.safetensors" "$photos" || [ $? -eq 3 ]
    step "a report"
    "$bin/cdul-predict" -c configs/demo.json "$out/run" "$photos" --html "$out/report.html" \
        -o "$out/predictions.jsonl" || [ $? -eq 3 ]
    printf '\nreport: %s/report.html\nmodel:  %s/run (cdul-predict %s/run IMAGES...)\n' "$out" "$out" "$out"
    exit 0
fi

step "$scenes training and $test_scenes test scenes, from different cut-outs"
rm -rf "$out/scenes" # more scenes may be there, of another size of demo
/usr/bin/python3 scripts/demo/compose_scenes.py -o "$out/scenes" --train "$scenes" --test "$test_scenes"
(cd "$out/scenes" && ls train/*.jpg) >"$out/train.txt"
(cd "$out/scenes" && ls test/*.jpg) >"$out/test.txt"

step "pseudo-labels: the whole image alone, CDUL's whole image with nine crops, and the discriminant of all views"
scene_labels() { label --classes "$out/scenes/classes.txt" --root "$out/scenes" "$@"; }
scene_labels "$out/scenes" --aggregate cdul -o "$out/cdul.safetensors"
scene_labels "$out/scenes" --aggregate global -o "$out/global.safetensors" -q
scene_labels "$out/scenes" -o "$out/discriminant.safetensors" -q
scene_labels "@$out/train.txt" -o "$out/train-labels.safetensors" -q

for align in off on; do
    step "a ResNet-50 trained on the labels of the training scenes, alignment $align"
    train "run-$align" "$out/train-labels.safetensors" --root "$out/scenes" --align "$align" "@$out/train.txt"
    "$bin/cdul-predict" -c configs/demo.json "$out/run-$align" "$out/scenes" --format csv -o "$out/scores-$align.csv"
done

step "a report of the test scenes"
"$bin/cdul-predict" -c configs/demo.json "$out/run-on" "$out/scenes/test" --html "$out/report.html" -o "$out/predictions.jsonl"

step "what it is worth (ground truth is used here for the first time)"
/usr/bin/python3 scripts/demo/table.py --bin "$bin" --out "$out"
printf '\nreport: %s/report.html\n' "$out"
