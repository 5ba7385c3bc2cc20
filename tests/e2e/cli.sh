#!/usr/bin/env bash
# Mistakes, damage and full disks: every program says in one line what is wrong and what would be right, exits with the
# right code, and leaves nothing.
#   cli.sh FOLDER_OF_PROGRAMS
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS" "$@"
bin=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/work" "$scratch/said"
cd "$scratch/work"
out=$scratch/said/out err=$scratch/said/err
failures=0

fail() {
    echo "cli.sh: $*" >&2
    failures=$((failures + 1))
}

# bad CODE TEXT PROGRAM ARGUMENT...: exits with CODE, says TEXT in its one line of error, prints no result and leaves no
# file. OUT names where standard output goes instead.
bad() {
    local want=$1 text=$2 program=$3 got=0 before after
    shift 3
    if [ "$program" = train ] && [ ! -e "$bin/cdul-train" ]; then return; fi # a build without it
    before=$(find . -printf '%p %s\n' | sort)
    "$bin/cdul-$program" "$@" >"${OUT:-$out}" 2>"$err" </dev/null || got=$?
    after=$(find . -printf '%p %s\n' | sort)
    [ "$got" -eq "$want" ] || fail "exit $got instead of $want: cdul-$program $*: $(cat "$err")"
    [ "$(wc -l <"$err")" -eq 1 ] || fail "not one line: cdul-$program $*: $(cat "$err")"
    grep -qF -- "$text" "$err" || fail "\"$text\" is not said: cdul-$program $*: $(cat "$err")"
    grep -q "^cdul-$program: " "$err" || fail "no name before the message: cdul-$program $*: $(cat "$err")"
    [ -n "${OUT:-}" ] || [ ! -s "$out" ] || fail "results in spite of a mistake: cdul-$program $*"
    [ "$before" = "$after" ] || fail "cdul-$program $* leaves: $(diff <(echo "$before") <(echo "$after"))"
}

# --- What is good, to be damaged below ---

cp -r "$golden/encoder/clip" encoder
cp -r "$golden/encoder/pictures" photos
cp -r "$golden/classifier/run" run
mkdir empty
printf 'cat\nhorse\n' >classes.txt
printf 'image,cat,horse\n0.png,0.9,0.2\n1.png,0.1,0.8\n2.png,0.7,0.3\n3.jpg,0.2,0.2\n' >labels.csv
printf 'image,cat,horse\n0.png,1,0\n1.png,0,1\n2.png,1,0\n3.jpg,0,0\n' >truth.csv
"$bin/cdul-label" -q -e encoder -C classes.txt photos -o labels.safetensors
mkdir broken
for i in 0 1; do head -c 100 photos/$i.png >broken/$i.png; done
echo "no safetensors" >garbage.safetensors
head -c 60 labels.safetensors >cut.safetensors
head -c -8 labels.safetensors >short.safetensors

label=(label -e encoder -C classes.txt)
train=(train -l labels.csv --arch resnet18 --size 32 --epochs 1)

# --- What all programs share ---

bad 2 "unknown option --progress" eval --progress always # it has no pass over images

for program in label train predict eval; do
    bad 2 "--nonsense" $program --nonsense
    bad 2 "did you mean --version?" $program --versoin
    bad 2 "--threads" $program -j 0
    bad 2 "--threads" $program -j many
    [ $program = eval ] || bad 2 "auto, always" $program --progress sometimes
    bad 2 "$program.nonsense" $program --set $program.nonsense=1
    bad 2 "key" $program --set nonsense
    bad 1 "nowhere.json" $program -c nowhere.json
    printf '{"%s": {' $program >cut.json
    bad 2 "cut.json" $program -c cut.json
    printf '{"%s": {"nonsense": 1}}' $program >unknown.json
    bad 2 "nonsense" $program -c unknown.json
    bad 2 "man, bash" $program --generate pdf
    bad 2 "cdul-$program --help" $program
    OUT=/dev/full bad 1 "standard output: No space left" $program --help
done
bad 2 "did you mean --encoder?" label --encodr encoder
bad 2 "did you mean \"label.zeta\"?" label --set label.zetta=1
bad 2 "0 to 1" label --zeta 2
bad 2 "needs" train photos -o
printf '{"train": {"epochs": "many"}}' >kind.json
bad 2 "train.epochs" train -c kind.json

# A printed config reproduces the options, and every program takes that of every other.
for program in label train predict eval; do
    [ -e "$bin/cdul-$program" ] || continue
    "$bin/cdul-$program" --print-config >"printed-$program.json" || fail "cdul-$program --print-config"
    for other in label train predict eval; do
        [ -e "$bin/cdul-$other" ] || continue
        "$bin/cdul-$other" -c "printed-$program.json" --print-config >again.json 2>"$err" ||
            fail "cdul-$other refuses the config of cdul-$program: $(cat "$err")"
        [ "$other" != "$program" ] || cmp -s "printed-$program.json" again.json ||
            fail "cdul-$program reads its printed config as another"
    done
done

# --- cdul-label ---

bad 1 "nowhere" "${label[@]}" nowhere -o new.safetensors
bad 1 "empty" "${label[@]}" empty -o new.safetensors
bad 1 "none of the 2 images could be read; the first, broken/0.png: " "${label[@]}" -q broken -o new.safetensors
bad 1 "nowhere.txt" "${label[@]}" @nowhere.txt -o new.safetensors
bad 1 "nowhere/new.safetensors" "${label[@]}" photos -o nowhere/new.safetensors
bad 1 "photos" "${label[@]}" photos -o photos
bad 1 "No space left" "${label[@]}" -q photos -o /dev/full
bad 1 "nowhere/new.csv" "${label[@]}" photos -o new.safetensors --csv nowhere/new.csv
bad 1 "nowhere/new.safetensors" "${label[@]}" photos -o new.safetensors --save-scores nowhere/new.safetensors
bad 1 "labels.csv" "${label[@]}" photos -o new.safetensors --cache labels.csv
: >none.txt
printf 'cat\ncat\n' >twice.txt
for file in none twice; do bad 1 "$file.txt" label -e encoder -C $file.txt photos -o new.safetensors; done
bad 1 "nowhere" label -e nowhere -C classes.txt photos -o new.safetensors
bad 1 "empty" label -e empty -C classes.txt photos -o new.safetensors
bad 1 "empty" label --inspect empty
damage() { # FILE COMMAND...: an encoder with that file changed by the command
    local file=$1
    rm -rf damaged
    cp -r encoder damaged
    shift
    "$@" <"encoder/$file" >"damaged/$file"
    bad 1 "damaged/" label -e damaged -C classes.txt photos -o new.safetensors
}
for file in onnx/vision_model.onnx onnx/text_model.onnx preprocessor_config.json config.json vocab.json; do
    damage $file head -c 40
    damage $file true
done
# shellcheck disable=SC2016 # $a is sed's: after the last line
damage merges.txt sed '$a a b c'
damage onnx/vision_model.onnx cat encoder/onnx/text_model.onnx
for file in garbage cut short nowhere; do
    bad 1 "$file.safetensors" label --merge labels.safetensors $file.safetensors -o new.safetensors
    bad 1 "$file.safetensors" label --scores $file.safetensors -T 1 -o new.safetensors
    bad 1 "$file.safetensors" "${label[@]}" --text $file.safetensors photos -o new.safetensors
    bad 1 "$file.safetensors" train -l $file.safetensors photos -o new
    bad 1 "$file.safetensors" eval -t truth.csv $file.safetensors
    bad 1 "$file.safetensors" "${train[@]}" --init $file.safetensors photos -o new
done

# --- cdul-train ---

bad 1 "nowhere" "${train[@]}" nowhere -o new
bad 1 "empty" "${train[@]}" empty -o new
bad 2 "labels" train photos -o new
bad 2 "-o is required" train -l labels.csv photos
bad 1 "labels.csv" "${train[@]}" photos -o labels.csv
bad 1 "truth" "${train[@]}" --eval-labels nowhere/truth.csv photos -o new
printf 'image,cat,horse\n0.png,0.9,nan\n' >nan.csv
printf 'image,cat,horse\n0.png,0.9\n' >narrow.csv
printf 'image,cat,horse\n' >none.csv
for file in nan narrow none; do bad 1 "$file.csv" train -l $file.csv photos -o new; done
bad 1 "labels.safetensors" "${train[@]}" --init labels.safetensors photos -o new
bad 1 "empty" train --export empty -o new.onnx
bad 2 "32" train -l labels.csv --size 1 photos -o new
bad 1 "device" "${train[@]}" --device cuda:7 photos -o new

# --- cdul-predict ---

bad 1 "nowhere" predict nowhere photos
bad 1 "empty" predict empty photos
bad 1 "garbage.safetensors" predict garbage.safetensors photos
head -c 500 run/model.onnx >cut.onnx
bad 1 "cut.onnx" predict cut.onnx photos
bad 1 "nowhere" predict run nowhere
bad 1 "empty" predict run empty
bad 1 "none of the 2 images could be read; the first, broken/0.png: " predict -q run broken -o new.jsonl
bad 1 "nowhere/new.jsonl" predict run photos -o nowhere/new.jsonl
bad 1 "No space left" predict -q run photos -o /dev/full
OUT=/dev/full bad 1 "No space left" predict -q run photos
bad 1 "nowhere/new.html" predict run photos -o new.jsonl --html nowhere/new.html
bad 2 "0 .. 1" predict run photos -t 2
bad 2 "hexadecimal" predict run photos --background red
bad 2 "provider" predict run photos --provider nonsense

# --- cdul-eval ---

bad 1 "nowhere.csv" eval -t nowhere.csv labels.csv
bad 1 "nowhere.csv" eval -t truth.csv nowhere.csv
bad 1 "none.csv" eval -t none.csv labels.csv
bad 1 "nan.csv" eval -t truth.csv nan.csv
bad 1 "empty" eval -t empty labels.csv
printf '{"images": [' >cut.json
bad 1 "cut.json" eval -t cut.json labels.csv
printf '{"image": "0.png", "labels": [{"name": "cat"' >cut.jsonl
bad 1 "cut.jsonl" eval -t truth.csv cut.jsonl
bad 1 "labels.csv" eval -q -t truth.csv labels.csv --plots labels.csv
OUT=/dev/full bad 1 "No space left" eval -q -t truth.csv labels.csv

[ $failures -eq 0 ] || { echo "cli.sh: $failures failures" >&2; exit 1; }
passed
