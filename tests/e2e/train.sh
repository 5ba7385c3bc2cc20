#!/usr/bin/env bash
# cdul-train as users run it, on tiny pictures: a run, a killed run that goes on to the same bytes, an interrupted one,
# cached activations, damaged images, export, and the mistakes people make.
#   train.sh FOLDER_OF_PROGRAMS PYTHON
# PYTHON has the packages of scripts/requirements.txt.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"
train=$(realpath "$1")/cdul-train predict=$(realpath "$1")/cdul-predict
python=$(program_path "$2")
events=$(cd "$(dirname "$0")" && pwd)/events.py
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work"

fail() {
    echo "FAILED: $*" >&2
    exit 1
}
# expect CODE TEXT COMMAND...: exit code and a piece of what it says on stderr.
expect() {
    code=$1 text=$2
    shift 2
    got=0
    "$@" >out.txt 2>err.txt || got=$?
    [ "$got" -eq "$code" ] || fail "$*: exit code $got instead of $code: $(cat err.txt)"
    grep -qF -- "$text" err.txt || fail "$*: does not say \"$text\": $(cat err.txt)"
}

# Lines of a log that may not be there yet.
lines() { if [ -e "$1" ]; then wc -l <"$1"; else echo 0; fi; }

# 48 pictures of 40 x 36: reddish ones show class "red", others "blue", a third of all also "bright".
mkdir -p photos/sub
LC_ALL=C awk 'BEGIN { # %c is a byte
    srand(1)
    print "image,red,blue,bright" > "labels.csv"
    for (i = 0; i < 48; i++) {
        name = sprintf("%s%02d.ppm", i % 2 ? "sub/" : "", i); red = i % 2; bright = i % 3 == 0
        file = "photos/" name
        print "P6\n40 36\n255" > file
        for (k = 0; k < 40 * 36; k++)
            printf "%c%c%c", int((red ? 120 : 20) + bright * 90 + rand() * 30), int(bright * 90 + rand() * 30),
                int((red ? 20 : 120) + bright * 90 + rand() * 30) > file
        close(file)
        printf "%s,%.2f,%.2f,%.2f\n", name, red ? 0.8 : 0.3, red ? 0.2 : 0.7, bright ? 0.7 : 0.2 > "labels.csv"
    }
}'
common="--arch resnet18 --size 32 --batch 8 --epochs 3 --warmup 1 --lr 1e-3 --head-lr-mult 1 --precision fp32 -j 2 -q"

# A whole run.
$train -l labels.csv $common photos -o whole 2>err.txt || fail "a plain run"
for file in config.json log.jsonl checkpoint.safetensors model.safetensors labels.safetensors model.onnx model.json; do
    [ -s "whole/$file" ] || fail "whole/$file is missing"
done
ls whole/events.out.tfevents.* >/dev/null || fail "no TensorBoard events"
[ "$(wc -l <whole/log.jsonl)" -eq 3 ] || fail "log.jsonl has not one line an epoch"
grep -q '"aligned":true' whole/log.jsonl || fail "labels did not move"

# Killed after its second epoch, continued: the same bytes.
# A busy machine may kill it too late: it is then run again.
for _ in 1 2 3 4 5; do
    rm -rf killed
    $train -l labels.csv $common photos -o killed 2>err.txt &
    pid=$!
    while [ "$(lines killed/log.jsonl)" -lt 2 ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
    kill -9 $pid 2>/dev/null || true
    wait $pid 2>/dev/null || true
    finished=$(lines killed/log.jsonl)
    [ "$finished" -ne 2 ] || break
done
[ "$finished" -eq 2 ] || fail "killed after $finished epochs: $(cat err.txt)"
[ ! -e killed/model.onnx ] || fail "the run had ended before it was killed"
expect 2 "already holds a run" $train -l labels.csv $common photos -o killed
expect 2 "train.lr = 0.001" $train -l labels.csv $common --lr 2e-3 photos -o killed --resume
sed 's/0.80/0.81/' labels.csv >other.csv
expect 2 "other labels" $train -l other.csv $common photos -o killed --resume
$train -l labels.csv $common photos -o killed --resume 2>err.txt || fail "resuming"
for file in model.safetensors labels.safetensors model.onnx model.json checkpoint.safetensors; do
    cmp "whole/$file" "killed/$file" || fail "$file differs after a kill"
done
timeless() {
    sed 's/"train_seconds":[^,]*,"train_images_per_second":[^,]*,//' "$1"
}
[ "$(timeless whole/log.jsonl)" = "$(timeless killed/log.jsonl)" ] || fail "log.jsonl differs after a kill"

# Interrupted: finished epochs are kept, exit code 130, and it says how to go on. By SIGTERM, because a script's
# background jobs ignore SIGINT.
$train -l labels.csv $common --epochs 500 photos -o stopped 2>err.txt &
pid=$!
while [ "$(lines stopped/log.jsonl)" -lt 2 ] && kill -0 $pid 2>/dev/null; do sleep 0.05; done
kill -TERM $pid
code=0
wait $pid || code=$?
[ $code -eq 130 ] || fail "interrupted: exit code $code"
grep -qF "the same command with --resume goes on" err.txt || fail "interrupted: does not say how to go on: $(cat err.txt)"
[ -s stopped/checkpoint.safetensors ] || fail "interrupted: no checkpoint"
ls stopped/.*.tmp 2>/dev/null && fail "interrupted: a temporary file is left"

# Frozen stages: from a cache, which a second run shares; batch norm of the frozen part is not touched.
frozen="$common --epochs 1 --init whole/model.safetensors --freeze 3 --activation-copies 2"
$train -l labels.csv $frozen photos -o cached || fail "a run with cached activations"
find activations -name '*.safetensors' | sort | xargs ls -l --time-style=full-iso >before.txt
[ -s before.txt ] || fail "no activation cache"
$train -l labels.csv $frozen photos -o again || fail "a second run with the cache"
find activations -name '*.safetensors' | sort | xargs ls -l --time-style=full-iso >after.txt
cmp before.txt after.txt || fail "the second run made the cache again"
cmp cached/model.safetensors again/model.safetensors || fail "the cache changed the model"

# Export is what the run itself wrote.
$train --export whole -o exported.onnx -q || fail "export"
cmp whole/model.onnx exported.onnx || fail "an exported model differs from the run's"

# A card that says what nobody can do is refused by whoever reads it, in the same words.
mkdir odd
for file in model.safetensors model.onnx; do
    LC_ALL=C sed 's/shortest/longest!/' whole/$file >odd/$file
    ! cmp -s whole/$file odd/$file || fail "odd/$file is as good as the other"
done
refusal='metadata "resize" is "longest!": expected "shortest" or "squash"'
expect 1 "model.safetensors: $refusal" $train --export odd -o odd.onnx
expect 1 "model.onnx: $refusal" $predict odd photos
[ ! -e odd.onnx ] || fail "a model that was refused is exported"

# A damaged and a missing image are skipped and listed.
cp -r photos damaged
head -c 100 photos/02.ppm >damaged/02.ppm
rm damaged/04.ppm
expect 3 "2 of 48 images skipped" $train -l labels.csv $common --epochs 1 damaged -o partial
grep -q '^02.ppm,' partial/*.skipped.csv && grep -q '^04.ppm,not found' partial/*.skipped.csv ||
    fail "skipped images are not listed"

# Every network trick at once still runs.
awk -F, 'NR == 1 { print; next } { printf("%s,%d,%d,%d\n", $1, ($2 > 0.5), ($3 > 0.5), ($4 > 0.5)) }' labels.csv >truth.csv
expect 1 "nowhere.csv" $train -l labels.csv $common --eval-labels nowhere.csv photos -o none
$train -l labels.csv $common --epochs 1 --bn train --ema 0.9 --optimizer sgd --schedule step --lr-warmup 0.5 \
    --loss softmax_kl --target kl --jitter 0.3 --eval-labels truth.csv photos -o all 2>err.txt || fail "other options"
grep -q '"eval_uses_ground_truth":true' all/log.jsonl || fail "ground truth is not marked"

# Mistakes.
expect 2 "--labels" $train photos -o none
mkdir empty
cp photos/00.ppm empty/zz.ppm
expect 1 "are not under empty" $train -l labels.csv $common empty -o none
expect 2 "random weights" $train -l labels.csv $common --freeze 2 photos -o none
expect 2 "expected one of resnet18" $train -l labels.csv --arch vgg photos -o none
expect 1 "labels.csv" $train -l missing/labels.csv $common photos -o none
[ ! -e none/model.safetensors ] || fail "a mistake left a model"

# The curves, in TensorBoard's own reader.
if ! "$python" -c 'import tensorboard' 2>missing.txt; then
    echo "train.sh: the runs are good; no comparison with TensorBoard, run scripts/setup.sh test: $(tail -1 missing.txt)"
    exit 77
fi
"$python" "$events" whole killed all || fail "events"
echo "cdul-train: all good"
