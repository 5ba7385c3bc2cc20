#!/usr/bin/env bash
# cdul-eval as a user runs it: every kind of truth and of input, the exit codes, the files it leaves.
#   eval.sh FOLDER_OF_PROGRAMS
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS" "$@"
eval=$(realpath "$1")/cdul-eval
golden=$golden/truth
in_scratch

# says FILE TEXT: runs of blanks count as one.
says() { tr -s " " <"$1" | grep -qF -- "$2" || fail "\"$2\" is not in: $(cat "$1")"; }

printf 'image,cat,dog\nx/a.jpg,0.9,0.2\nx/b.jpg,0.6,0.7\nx/c.jpg,0.7,0.1\n' >labels.csv
printf '{"image":"%s.jpg","labels":[{"name":"%s","score":0.9}]}\n' a cat b dog c cat >predictions.jsonl

# One truth in every form: a has cat, b has dog, c neither. cat ranks a 0.9, c 0.7, b 0.6: AP 1; dog: b first: AP 1.
printf 'image,cat,dog\na.jpg,1,0\nb.jpg,0,1\nc.jpg,0,0\n' >truth.csv
printf 'image,tags\na.jpg,cat\nb.jpg,dog\nc.jpg,\n' >tags.csv
mkdir voc
printf '<annotation><object><name>cat</name></object></annotation>' >voc/a.xml
printf '<annotation><object><name>dog</name></object></annotation>' >voc/b.xml
printf '<annotation/>' >voc/c.xml
cat >coco.json <<'TEXT'
{"images": [{"id": 5, "file_name": "a.jpg"}, {"id": 9, "file_name": "b.jpg"}, {"id": 70, "file_name": "c.jpg"}],
 "categories": [{"id": 2, "name": "cat"}, {"id": 90, "name": "dog"}],
 "annotations": [{"image_id": 5, "category_id": 2}, {"image_id": 9, "category_id": 90}]}
TEXT
for truth in truth.csv tags.csv voc coco.json; do
    expect_exit 0 "$eval" --truth "$truth" labels.csv predictions.jsonl
    says out "mAP % 100.0 75.0"
    says out "predictions.jsonl: holds 50 % of the scores"
done

expect_exit 0 "$eval" -t truth.csv labels.csv --json --plots plots
python3 -c 'import json; r = json.load(open("out")); assert r["inputs"][0]["map"] == 1 and r["inputs"][0]["images"] == 3'
for plot in precision-recall precision-recall-classes reliability; do
    says "plots/$plot.svg" "</svg>"
done
says err "plots/precision-recall.svg"

expect_exit 0 "$eval" -t coco.json labels.csv --drop-empty --per-class
says out "images 2"
says out "dog 1 100.0"

expect_exit 2 "$eval" labels.csv
says err "--truth"
expect_exit 2 "$eval" -t truth.csv
says err "nothing to evaluate"
expect_exit 2 "$eval" -t truth.csv --ap squares labels.csv
expect_exit 1 "$eval" -t nowhere.csv labels.csv
says err "nowhere.csv"
expect_exit 1 "$eval" -t "$golden/bad-voc-entity" labels.csv
says err "XML entity"
printf 'image,kat\na.jpg,1\n' >kat.csv
expect_exit 1 "$eval" -t truth.csv kat.csv
says err 'kat.csv: class "kat" is not in the ground truth; did you mean "cat"?'
[ ! -s out ] || fail "a failed run printed results"
passed
