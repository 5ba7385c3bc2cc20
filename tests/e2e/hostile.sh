#!/usr/bin/env bash
# What others may hand to the programs to do harm: image names that lead elsewhere or hold markup and control characters,
# encoder folders with links to devices and with pipes, ground truth with entities, and graphs that are cut or damaged.
# Whatever they are, a program ends with a line that says what is wrong, and writes nothing but its own outputs.
#   hostile.sh FOLDER_OF_PROGRAMS
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS" "$@"
bin=$(realpath "$1")
in_scratch
label=("$bin/cdul-label" -e "$golden/encoder/clip" -C "$scratch/classes.txt" -j 2)
printf 'cat\ndog\n' >classes.txt
picture=$golden/classifier/pictures/0.png

# --- Names of images: nothing is written where they point ---

mkdir -p outside/deep/inside
cp "$picture" outside/above.png
cp "$picture" outside/deep/beside.png
cp "$picture" 'outside/deep/inside/<img src=x onerror=alert(1)>.png'
cp "$picture" outside/deep/inside/-o
cp "$picture" outside/deep/inside/$'two\nlines.png'
cd outside/deep/inside
printf '%s\0' ../../above.png ../beside.png "$PWD/../beside.png" ./../../deep/beside.png -o $'two\nlines.png' \
    '<img src=x onerror=alert(1)>.png' >../names
find ../.. -type f ! -path '*/inside/*' -printf '%p %T@ %s\n' | sort >"$scratch/before.txt"
expect_exit 0 "${label[@]}" -0 @../names -o labels.safetensors --csv labels.csv --save-scores scores.safetensors --cache cache
expect_exit 0 "$bin/cdul-predict" "$golden/classifier/run" -0 @../names -o predictions.jsonl --html report.html
! grep -qF '<img src=x' report.html || fail "a name is markup in the report"
grep -qF 'u003cimg src=x' report.html || fail "the name is not in the report"
if [ -x "$bin/cdul-train" ]; then # the labels' names alone say where the images are
    expect_exit 0 "$bin/cdul-train" -l labels.safetensors --arch resnet18 --size 32 --epochs 1 --warmup 0 --precision fp32 -q -o run
    expect_exit 0 "$bin/cdul-train" -l labels.safetensors --init run/model.safetensors --freeze 3 --activation-copies 1 --size 32 \
        --epochs 1 --warmup 0 --precision fp32 -q -o again
fi
printf 'image,cat,dog\n../../above.png,1,0\n' >truth.csv
expect_exit 0 "$bin/cdul-eval" -t truth.csv labels.csv --plots plots
find ../.. -type f ! -path '*/inside/*' -printf '%p %T@ %s\n' | sort >"$scratch/after.txt"
cmp "$scratch/before.txt" "$scratch/after.txt" || fail "something was written outside: $(diff "$scratch/before.txt" "$scratch/after.txt")"
cd "$scratch"

# Control characters in names do not reach the terminal.
echo nothing >$'\e]0;title\a.png'
expect_exit 1 "${label[@]}" $'\e]0;title\a.png' -o x.safetensors
says err "not an image"
! grep -q $'\e\|\a' err || fail "a name's control characters are printed"

# --- At home: nothing is kept, and what ONNX Runtime's makers would like to know is not gathered ---

mkdir home
at_home=(env -u CI -u ORT_DISABLE_TELEMETRY -u XDG_CACHE_HOME -u XDG_CONFIG_HOME -u XDG_DATA_HOME -u XDG_STATE_HOME HOME="$scratch/home")
expect_exit 0 "${at_home[@]}" "${label[@]}" "$picture" -o labels.safetensors
expect_exit 0 "${at_home[@]}" "$bin/cdul-predict" "$golden/classifier/run" "$picture" -o predictions.jsonl
[ -z "$(ls -A home)" ] || fail "left in the home folder: $(find home -type f)"

# --- Folders: what is no regular file is not waited for, and not read without end ---

for file in config.json preprocessor_config.json vocab.json merges.txt cdul.json; do
    for kind in endless pipe; do
        rm -rf folder
        cp -r "$golden/encoder/clip" folder
        rm -f "folder/$file"
        if [ $kind = pipe ]; then mkfifo "folder/$file"; else ln -s /dev/zero "folder/$file"; fi
        expect_exit 1 timeout 60 "$bin/cdul-label" -e folder -C classes.txt "$picture" -o x.safetensors
        says err "folder/$file: is not a regular file"
    done
done
rm -rf folder voc
mkdir voc
ln -s /dev/zero voc/a.xml
expect_exit 1 timeout 60 "$bin/cdul-eval" -t voc labels.csv
says err "voc/a.xml: is not a regular file"

# --- XML: no entity is expanded, no file is fetched ---

echo secret >secret.txt
rm voc/a.xml
entities=('<!ENTITY a "cat">' '<!ENTITY a SYSTEM "secret.txt">' '<!ENTITY % a SYSTEM "secret.txt"> %a;'
    '<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">')
for entity in "${entities[@]}"; do
    echo "<!DOCTYPE annotation [$entity]><annotation><object><name>&a;</name></object></annotation>" >voc/a.xml
    expect_exit 1 "$bin/cdul-eval" -t voc outside/deep/inside/labels.csv
    says err 'voc/a.xml: declares the XML entity'
    ! grep -q secret err out || fail "a file that an entity names was read"
done
echo '<!DOCTYPE annotation SYSTEM "secret.txt"><annotation><object><name>&a;</name></object></annotation>' >voc/a.xml
expect_exit 1 "$bin/cdul-eval" -t voc outside/deep/inside/labels.csv
! grep -q secret err out || fail "a document type was read"

# --- Graphs that are cut, or in which bytes are changed: exit 0 or 1, and not a signal ---

# survives FILE COMMAND...
survives() {
    local file=$1 got=0
    shift
    timeout 100 "$@" >out 2>err || got=$?
    case $got in
    0 | 3) ;;
    1) [ -s err ] && [ "$(grep -c '^cdul-' err)" -eq 1 ] || fail "$file: says $(cat err)" ;;
    *) fail "$file: exit $got: $* ($(cat err))" ;;
    esac
}
# damage FILE NUMBER: cut at an eighth, or three bytes changed.
damage() {
    python3 - "$@" <<'PYTHON'
import random, sys
data = bytearray(open(sys.argv[1], "rb").read())
number = int(sys.argv[2])
if number < 8:
    data = data[: len(data) * number // 8]
else:
    random.seed(number)
    for _ in range(3):
        data[random.randrange(min(len(data), 2000 if number % 2 else len(data)))] = random.randrange(256)
open(sys.argv[3], "wb").write(data)
PYTHON
}
cp -r "$golden/encoder/clip" folder
cp -r "$golden/classifier/run" run
for number in $(seq 0 23); do
    for graph in vision_model text_model; do
        damage "$golden/encoder/clip/onnx/$graph.onnx" "$number" "folder/onnx/$graph.onnx"
        survives "$graph $number" "$bin/cdul-label" -e folder -C classes.txt "$picture" -o x.safetensors -q
        [ "$number" -ge 8 ] || says err "folder/onnx/$graph.onnx"
        cp "$golden/encoder/clip/onnx/$graph.onnx" folder/onnx/
    done
    damage "$golden/classifier/run/model.onnx" "$number" run/model.onnx
    survives "model $number" "$bin/cdul-predict" run "$picture" -o x.jsonl -q
    [ "$number" -ge 8 ] || says err "run/model.onnx"
done
passed
