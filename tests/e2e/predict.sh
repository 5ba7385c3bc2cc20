#!/usr/bin/env bash
# cdul-predict as a user runs it, with the tiny classifier of golden/make_classifier.py: every kind of input and of
# output, the exit codes, and what is left when a run fails or is interrupted.
#   predict.sh FOLDER_OF_PROGRAMS
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS" "$@"
bin=$(realpath "$1")
predict=$bin/cdul-predict
golden=$golden/classifier
in_scratch
cp -r "$golden/run" run
cp -r "$golden/pictures" photos


# check EXPRESSION: Python on the predictions of ./out as a list `lines`, with sets `names` of labels.
check() {
    python3 - "$1" <<'PYTHON' || fail "$1: $(cat out)"
import json, sys
lines = [json.loads(line) for line in open("out")]
names = [{label["name"] for label in line["labels"]} for line in lines]
for line in lines:
    scores = [label["score"] for label in line["labels"]]
    assert scores == sorted(scores, reverse=True), "labels are not sorted"
sys.exit(not eval(sys.argv[1]))
PYTHON
}

# A folder, to standard output: the model's own thresholds 0.5, 0.4, 0.6, 0.55, 0.45.
expect_exit 0 "$predict" run/ photos/
check '[line["image"] for line in lines] == ["0.png", "1.png", "2.png", "3.png"]'
check 'names[0] == {"dining table", "boat"} and names[2] == {"cat", "dining table", "horse", "boat"}'
says err "4 images, 10 labels"
cp out folder.jsonl

# A bare model, single files and lists give the same lines.
expect_exit 0 "$predict" run/model.onnx photos/
same out folder.jsonl
(cd photos && printf '%s\n' 0.png 1.png 2.png 3.png) >list.txt
expect_exit 0 "$predict" run --root photos @list.txt
same out folder.jsonl
expect_exit 0 bash -c "cd photos && '$predict' ../run - <../list.txt"
same out folder.jsonl
expect_exit 0 bash -c "cd photos && tr '\\n' '\\0' <../list.txt | '$predict' ../run -0 -"
same out folder.jsonl
expect_exit 0 bash -c "cd photos && '$predict' ../run 2.png"
[ "$(cat out)" = "$(sed -n 3p folder.jsonl)" ] || fail "one file: $(cat out)"
expect_exit 0 "$predict" run photos -b 1 -j 1
same out folder.jsonl

# Thresholds and counts.
expect_exit 0 "$predict" run photos --threshold 0
check 'all(len(line["labels"]) == 5 for line in lines)'
cp out all.jsonl
expect_exit 0 "$predict" run photos --threshold relative
check 'names[1] == {"dining table", "boat"}' # 0.27, 0.76, 0.31, 0.41, 0.89: halfway is 0.58
expect_exit 0 "$predict" run photos --top-k 3
check 'all(len(line["labels"]) == 3 for line in lines)'
expect_exit 0 "$predict" run photos -t 0.85 -k 3
check '[len(line["labels"]) for line in lines] == [0, 1, 2, 2]'
expect_exit 0 "$predict" run photos -t auto -k 3
check '[line["labels"] for line in lines] == [json.loads(line)["labels"][:3] for line in open("folder.jsonl")]'
expect_exit 0 "$predict" run photos --standardise
check 'names[0] == {"dining table", "boat"}'

# Views change scores and nothing else.
for views in flip grid; do
    expect_exit 0 "$predict" run photos -t 0 --views $views
    check '[line["image"] for line in lines] == ["0.png", "1.png", "2.png", "3.png"]'
    ! cmp -s out all.jsonl || fail "--views $views changed nothing"
done

# -v tells how the model runs, and without it what is as everywhere is not said.
expect_exit 0 "$predict" run photos -v
says err "model: run/model.onnx: 5 classes"
says err "precision: fp32"
says err "provider: CPU"
expect_exit 0 "$predict" run photos
says_not err "provider:"

# A table of all scores, a report, and the way on.
expect_exit 0 "$predict" run photos -f csv -o scores.csv --html report.html
[ ! -s out ] || fail "results on standard output as well"
[ "$(head -1 scores.csv)" = "image,cat,dining table,café,horse,boat" ] || fail "$(head -1 scores.csv)"
[ "$(grep -c '^[0-3].png,0\.[0-9]*,0\.[0-9]*,0\.[0-9]*,0\.[0-9]*,0\.[0-9]*$' scores.csv)" -eq 4 ] || fail "$(cat scores.csv)"
says err "report: report.html"
says err "predictions: scores.csv"
says "err" "next: cdul-eval --truth truth.csv scores.csv"
says report.html "dining table"
says report.html "data:image/jpeg"
says_not report.html "https://"
printf 'image,cat,dining table,café,horse,boat\n0.png,1,1,0,0,1\n1.png,0,1,0,0,1\n2.png,1,1,0,1,0\n3.png,0,1,0,1,1\n' >truth.csv
"$bin/cdul-eval" -t truth.csv scores.csv all.jsonl --json >eval.json
python3 -c '
import json
csv, jsonl = json.load(open("eval.json"))["inputs"]
assert csv["map"] == jsonl["map"] > 0.5, (csv["map"], jsonl["map"])'

# What cannot be read is skipped, said and counted.
mkdir bad
cp photos/0.png bad/
echo "no picture" >bad/1.jpg
head -c 900 photos/1.png >bad/2.png
expect_exit 3 "$predict" run bad -o bad.jsonl --html bad.html
says err "2 of 3 images skipped: see bad.jsonl.skipped.csv"
says bad.jsonl.skipped.csv "bad/1.jpg,"
says bad.jsonl.skipped.csv "bad/2.png,"
[ "$(wc -l <bad.jsonl)" -eq 1 ] || fail "$(cat bad.jsonl)"
expect_exit 3 "$predict" run bad
says err "bad/1.jpg: not an image"
rm bad/1.jpg bad/2.png
expect_exit 0 "$predict" run bad -o bad.jsonl
[ ! -e bad.jsonl.skipped.csv ] || fail "the list of an earlier run is still there"

# Precision: int8 if there is enough to do and it gives the scores of float32, which the same graph does.
mkdir dozens
python3 -c 'import os; [os.symlink(f"../photos/{i % 4}.png", f"dozens/{i:02}.png") for i in range(70)]'
expect_exit 0 "$predict" run dozens -f csv -o plain.csv
! grep -q "precision:" err || fail "a choice without int8: $(cat err)"
expect_exit 1 "$predict" run dozens --precision int8
says err "run/model_int8.onnx: no such file, so this model has no int8"
expect_exit 2 "$predict" run dozens --precision bf16
says err "bfloat16 is for --provider openvino"
cp run/model.onnx run/model_int8.onnx
expect_exit 0 "$predict" run dozens -f csv -o int8.csv
says err "precision: int8, scores of the first images within 0.000 of float32's"
same plain.csv int8.csv
for model in run run/model.onnx; do
    expect_exit 0 "$predict" $model dozens -f csv -o int8.csv --precision int8
    same plain.csv int8.csv
done
cp "$golden/unbounded.onnx" run/model_int8.onnx
expect_exit 0 "$predict" run dozens -f csv -o fp32.csv
says err "precision: fp32, as int8's scores of the first images are off by up to"
same plain.csv fp32.csv
expect_exit 0 "$predict" run photos -o few.jsonl
! grep -q "precision:" err || fail "a trial for four images: $(cat err)"
echo "no graph" >run/model_int8.onnx
expect_exit 1 "$predict" run dozens -f csv -o none.csv
says err "run/model_int8.onnx"
rm run/model_int8.onnx

# Mistakes.
expect_exit 2 "$predict" -q
says err "no model"
expect_exit 2 "$predict" run
says err "no images"
expect_exit 2 "$predict" run photos --threshold high
says err "expected auto, relative or a number in 0 .. 1"
expect_exit 2 "$predict" run photos --background red
expect_exit 1 "$predict" nowhere photos
says err "nowhere"
expect_exit 1 "$predict" photos photos
says err "no model.onnx in this folder"
expect_exit 1 "$predict" "$golden/refused/bare.onnx" photos
says err "was this classifier written by cdul-train?"
expect_exit 1 "$predict" run photos -o no/such/folder/out.jsonl
says err "no/such/folder"
expect_exit 1 "$predict" run photos -o kept.jsonl --html no/such/folder/report.html
[ ! -e kept.jsonl ] || fail "a failed run left its output"

# A signal leaves no half file under the output's name, nor a temporary one. (SIGTERM: a shell's background jobs ignore
# SIGINT.)
mkdir many
python3 -c 'import os; [os.symlink("../photos/2.png", f"many/{i}.png") for i in range(20000)]'
echo "as it was" >many.jsonl
"$predict" run many -o many.jsonl --views grid -j 1 2>err &
job=$!
until compgen -G ".many.jsonl.*.tmp" >/dev/null; do
    kill -0 $job 2>/dev/null || fail "ended before it was interrupted: $(cat err)"
    sleep 0.01
done
kill -TERM $job
got=0
wait $job || got=$?
[ "$got" -eq 130 ] || fail "exit $got after a signal: $(cat err)"
says err "many.jsonl is not written; run the same command again: interrupted after"
[ "$(cat many.jsonl)" = "as it was" ] || fail "an interrupted run replaced its output"
! compgen -G ".many.jsonl.*.tmp" >/dev/null || fail "an interrupted run left its temporary file"
passed
