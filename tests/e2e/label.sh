#!/usr/bin/env bash
# cdul-label as a user runs it, with the tiny encoder of golden/make_encoder.py: every kind of input, the cache, shards,
# saved cosines, what a signal leaves, and what is skipped. label.py reads the files with Python's own readers.
#   label.sh FOLDER_OF_PROGRAMS PYTHON
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS PYTHON" "$@"
label=$(realpath "$1")/cdul-label python=$(program_path "$2")
golden=$golden/encoder
in_scratch

needs_modules "$python" numpy safetensors

check() { "$python" "$here/label.py" "$@" || fail "label.py $*"; }

printf 'cat\ndining table\ttable, dining table\ncaf\303\251, "bright"\nhorse\n' >classes.txt
encode=("$label" -e "$golden/clip" -C "$scratch/classes.txt" -j 2)

# 30 pictures in two folders, of sizes, colours and noise of their own.
LC_ALL=C awk 'BEGIN { # %c is a byte
    srand(3)
    system("mkdir -p photos/sub")
    for (i = 0; i < 30; i++) {
        file = sprintf("photos/%s%02d.ppm", i % 3 ? "" : "sub/", i); width = 40 + i; height = 70 - 2 * i
        print "P6\n" width " " height "\n255" > file
        for (k = 0; k < width * height; k++)
            printf "%c%c%c", int(i * 7 + rand() * 40), int((i * 53) % 200 + rand() * 40),
                int(200 - i * 6 + rand() * 40) > file
        close(file)
    }
}'

# A folder, a list, standard input: the same labels.
expect_exit 0 "${encode[@]}" photos -o labels.safetensors --csv labels.csv
says err "30 images, 4 classes"
says err "labels: labels.safetensors"
says err "next: cdul-train --labels labels.safetensors"
check labels labels.safetensors labels.csv 30
(cd photos && find . -name '*.ppm' -printf '%P\n' | LC_ALL=C sort) >list.txt
expect_exit 0 "${encode[@]}" --root photos @list.txt -o list.safetensors
check equal labels.safetensors list.safetensors
expect_exit 0 bash -c '"$@" --root photos - -o stdin.safetensors <list.txt' - "${encode[@]}"
check equal labels.safetensors stdin.safetensors
expect_exit 0 bash -c 'tr "\n" "\0" <list.txt | "$@" --root photos -0 - -o stdin.safetensors' - "${encode[@]}"
check equal labels.safetensors stdin.safetensors
expect_exit 0 "${encode[@]}" photos -o batch.safetensors -b 7 -j 1
check equal labels.safetensors batch.safetensors

# Precision: int8 if there is enough to do and its vectors are near float32's. Here it is the same graph; then one with
# noise in its weights.
cp -r "$golden/clip" reduced
mkdir dozens
for i in {0..69}; do ln -s "$PWD/$(find photos -name "*$(printf %02d $((i % 30))).ppm")" "dozens/$i.ppm"; done
trial=("$label" -e reduced -C classes.txt -j 2 dozens)
expect_exit 0 "${trial[@]}" -o plain.safetensors
! grep -q "precision:" err || fail "a choice without int8: $(cat err)"
expect_exit 1 "${trial[@]}" -o none.safetensors --precision int8
says err "reduced: the image tower has no variant int8 or quantized"
expect_exit 2 "${trial[@]}" -o none.safetensors --precision bf16
says err "bfloat16 is for --provider openvino"
cp reduced/onnx/vision_model.onnx reduced/onnx/vision_model_int8.onnx
expect_exit 0 "${trial[@]}" -o int8.safetensors
says err "precision: int8, with a cosine of at least 1.00000 to float32 on the first images"
check equal plain.safetensors int8.safetensors
expect_exit 2 "${trial[@]}" -o none.safetensors --precision int8 --variant int8
says err "leave one of them out"
"$python" "$here/label.py" noise reduced/onnx/vision_model.onnx reduced/onnx/vision_model_int8.onnx
expect_exit 0 "${trial[@]}" -o fp32.safetensors
says err "precision: fp32, as int8 has cosines down to"
check equal plain.safetensors fp32.safetensors
expect_exit 0 "${trial[@]}" -o noisy.safetensors --precision int8 --cache noisy-cache
! cmp -s plain.safetensors noisy.safetensors || fail "--precision int8 is float32"
expect_exit 0 "${trial[@]}" -o again.safetensors --cache noisy-cache -T 0.02
says err "precision: that of the cache"
says err "70 of 70 images are in the cache"
expect_exit 0 "${trial[@]}" -o part.safetensors --shard 1/1
! grep -q "precision:" err || fail "a part chooses for itself: $(cat err)"

# Saved cosines give the same labels, to the bit; other options change them.
expect_exit 0 "${encode[@]}" photos -o again.safetensors --save-scores scores.safetensors
check equal labels.safetensors again.safetensors
expect_exit 0 "$label" --scores scores.safetensors -T 0.01 -o scored.safetensors
check equal labels.safetensors scored.safetensors
check cosines scores.safetensors labels.safetensors 9
expect_exit 0 "$label" --scores scores.safetensors -T 0.01 -a global -o scored.safetensors
check different labels.safetensors scored.safetensors

# SigLIP's scores: as the Python pipeline's vectors give them, with scale and bias of the folder, of the options, from
# saved cosines; and not for z-scores.
printf 'cat\ndining table\ncaf\303\251\nhorse\n' >four.txt
siglip=("$label" -e "$golden/siglip" -C "$scratch/four.txt" -t "a photo of a {}." -t "the {c}" "$golden/pictures")
expect_exit 0 "${siglip[@]}" -o sigmoid.safetensors --save-scores sigmoid-scores.safetensors
check sigmoid "$golden/siglip/expected.safetensors" sigmoid.safetensors 0.1 2
expect_exit 0 "${siglip[@]}" -o given.safetensors -T 0.05 --bias 3
check sigmoid "$golden/siglip/expected.safetensors" given.safetensors 0.05 3
expect_exit 0 "$label" --scores sigmoid-scores.safetensors --score sigmoid -T 0.1 --bias 2 -o given.safetensors
check equal sigmoid.safetensors given.safetensors
expect_exit 0 "${siglip[@]}" -o given.safetensors --score softmax
check different sigmoid.safetensors given.safetensors
expect_exit 0 "${siglip[@]}" -o given.safetensors -a zscore
expect_exit 0 "${siglip[@]}" -o given.safetensors -T 4.605
says err "labels are flat"
cp -r "$golden/siglip" unknown
rm unknown/cdul.json
expect_exit 2 "$label" -e unknown -C four.txt photos -o none.safetensors
says err "give --temperature --bias"
expect_exit 2 "$label" -e unknown -C four.txt photos -T 0.1 -o none.safetensors
says err "give --bias"
# A file of class vectors may know what the folder does not.
"$python" - "$golden/siglip/expected.safetensors" four.txt <<'PYTHON'
import json
import math
import sys
from safetensors.numpy import load_file, save_file
vectors = {"text_embeds": load_file(sys.argv[1])["text"]}
names = [line.split("\t")[0] for line in open(sys.argv[2], encoding="utf-8").read().splitlines()]
facts = {"classes": json.dumps(names), "logit_scale": repr(-math.log(0.05)), "logit_bias": "3"}
save_file(vectors, "knows.safetensors", facts)
save_file(vectors, "wrong.safetensors", facts | {"logit_bias": "three"})
save_file(vectors, "factor.safetensors", facts | {"logit_scale": "100"})
PYTHON
expect_exit 0 "$label" -e unknown --text knows.safetensors "$golden/pictures" -o given.safetensors
check sigmoid "$golden/siglip/expected.safetensors" given.safetensors 0.05 3
expect_exit 1 "$label" -e unknown --text wrong.safetensors "$golden/pictures" -o none.safetensors
says err "metadata 'logit_bias' is 'three', expected a number"
expect_exit 1 "$label" -e unknown --text factor.safetensors "$golden/pictures" -o none.safetensors
says err "logit_scale is 100; it is an exponent"
expect_exit 2 "$label" --scores scores.safetensors --score sigmoid -o none.safetensors
says err "give --temperature --bias"
expect_exit 2 "${encode[@]}" photos --score sigmoid -o none.safetensors
says err "give --bias"
expect_exit 2 "${encode[@]}" photos --bias -1 -o none.safetensors
says err "--bias does nothing to a softmax"
expect_exit 2 "${siglip[@]}" -a zscore --bias -1 -o none.safetensors
says err "leave --score and --bias out"
expect_exit 2 "${encode[@]}" photos -a zscore --score softmax -o none.safetensors
says err "leave --score and --bias out"

# The discriminant: from the cache alone, the same however the cache came about.
expect_exit 2 "${encode[@]}" photos -a discriminant -o none.safetensors
says err "looks at each view twice: give a folder that keeps them with --cache"
expect_exit 2 "${encode[@]}" photos -a discriminant --cache cache-d --shard 1/2 -o none.safetensors
says err "looks at all images, and --shard labels some"
expect_exit 2 "$label" --scores scores.safetensors -a discriminant -o none.safetensors
says err "needs vectors, of which --scores has none"
expect_exit 0 "${encode[@]}" photos -a discriminant --cache cache-d -o discriminant.safetensors
expect_exit 0 "${encode[@]}" photos -a zscore --cache cache-d -o second.safetensors
check different discriminant.safetensors second.safetensors
expect_exit 0 "${encode[@]}" photos/01.ppm photos/02.ppm --cache cache-parts -o second.safetensors
expect_exit 0 "${encode[@]}" photos -a discriminant --cache cache-parts -o second.safetensors
check equal discriminant.safetensors second.safetensors

# Synonyms: the largest cosine of a class's words, as if each word were a class.
printf 'cat\nanimal\tdog, horse, cow\ntable\n' >synonyms.txt
printf 'cat\ndog\nhorse\ncow\ntable\n' >words.txt
expect_exit 0 "$label" -e "$golden/clip" -C words.txt photos -o words.safetensors --save-scores word-scores.safetensors
expect_exit 0 "$label" -e "$golden/clip" -C synonyms.txt --synonyms max photos -o largest.safetensors \
    --save-scores largest-scores.safetensors
check largest word-scores.safetensors largest-scores.safetensors 0,1:4,4
check cosines largest-scores.safetensors largest.safetensors 9
expect_exit 0 "$label" -e "$golden/clip" -C synonyms.txt photos -o mean.safetensors
check different mean.safetensors largest.safetensors
expect_exit 0 "$label" -e "$golden/clip" -C synonyms.txt photos --cache words-cache -o mean.safetensors
expect_exit 0 "$label" -e "$golden/clip" -C synonyms.txt --synonyms max photos --cache words-cache -o cached.safetensors
check near largest.safetensors cached.safetensors 0.01
expect_exit 2 "$label" --scores scores.safetensors -T 0.01 --synonyms max -o none.safetensors
says err "--synonyms max"

# Background words: columns of the softmax that are dropped; saved cosines keep them.
printf 'dog\nrest\thorse, cow\n' >background.txt
printf 'cat\ntable\n' >two.txt
expect_exit 0 "$label" -e "$golden/clip" -C two.txt --background-words background.txt photos -o back.safetensors \
    --save-scores back-scores.safetensors --csv back.csv
[ "$(head -1 back.csv)" = image,cat,table ] || fail "$(head -1 back.csv)"
check cosines back-scores.safetensors back.safetensors 9
expect_exit 0 "$label" --scores back-scores.safetensors -T 0.01 -o again.safetensors
check equal back.safetensors again.safetensors
expect_exit 0 "$label" -e "$golden/clip" -C two.txt photos -o two.safetensors
check different two.safetensors back.safetensors
expect_exit 1 "$label" -e "$golden/clip" -C classes.txt --background-words two.txt photos -o none.safetensors
says err "two.txt: line 1: background word 'cat' is a name or word of class 'cat'"
printf 'sky\nTable\n' >clash.txt
expect_exit 1 "$label" -e "$golden/clip" -C classes.txt --background-words clash.txt photos -o none.safetensors
says err "clash.txt: line 2: background word 'Table' is a name or word of class 'dining table'"
printf 'sky\nsky\n' >twice.txt
expect_exit 1 "$label" -e "$golden/clip" -C classes.txt --background-words twice.txt photos -o none.safetensors
says err "twice.txt: line 2"
printf 'sky\n' >sky.txt
expect_exit 2 "${siglip[@]}" --background-words sky.txt -o none.safetensors
says err "background words do nothing to sigmoid scores"
for list in voc coco; do # the list that comes with cdul means no class of these
    expect_exit 0 "$label" -e "$golden/clip" -C "$here/../../configs/$list-classes.txt" \
        --background-words "$here/../../configs/background-words.txt" "$golden/pictures" -o shipped.safetensors
done
printf 'a background word that is far longer than the context of the tower\n' >long.txt
expect_exit 0 "$label" -e "$golden/clip" -C two.txt --background-words long.txt photos -o long.safetensors
says err "1 prompts are longer than the encoder's context and were cut"

# The cache: a second run embeds nothing, a new picture costs itself alone, other options nothing.
expect_exit 0 "${encode[@]}" photos --cache cache -o first.safetensors
says err "30 embedded"
check near labels.safetensors first.safetensors 0.01 # the cache holds float16
expect_exit 0 "${encode[@]}" photos --cache cache -o second.safetensors
! grep -q embedded err || fail "a second run embeds: $(cat err)"
same first.safetensors second.safetensors
expect_exit 0 "${encode[@]}" photos --cache cache --zeta 0.2 --lambda 1 -o second.safetensors
! grep -q embedded err || fail "other options embed: $(cat err)"
check different first.safetensors second.safetensors
cp -a photos more # an image is known by name, size and time of change
cp photos/01.ppm more/new.ppm
expect_exit 0 "${encode[@]}" more --cache cache -o second.safetensors
says err "30 of 31 images are in the cache"
expect_exit 2 "${encode[@]}" photos --cache cache --grid 2x2 -o second.safetensors
says err "cache"
expect_exit 2 "${encode[@]}" photos --cache cache --mirror -o second.safetensors
says err "another choice of --mirror"
expect_exit 2 "$label" -e "$golden/dense" photos --cache cache --local dense -o second.safetensors
says err "cache was made with another"
expect_exit 0 "${encode[@]}" photos --mirror -o second.safetensors
check different first.safetensors second.safetensors

# Dense: the cells stand where the crops were, with and without a cache, saved or not.
dense=("$label" -e "$golden/dense" -j 2 --local dense)
for how in cdul zscore mean; do
    expect_exit 0 "${dense[@]}" photos -a $how -o dense.safetensors --save-scores scores-dense.safetensors
    [ $how != cdul ] || check cosines scores-dense.safetensors dense.safetensors 12
    expect_exit 0 "$label" --scores scores-dense.safetensors -T 0.01 -a $how -o scored.safetensors
    check equal dense.safetensors scored.safetensors
    expect_exit 0 "${dense[@]}" photos -a $how --cache cache-dense -o second.safetensors
    check near dense.safetensors second.safetensors 0.01
done
! grep -q embedded err || fail "a second run embeds: $(cat err)"
! grep -q template err || fail "templates that nobody gave: $(cat err)"
expect_exit 0 "${dense[@]}" photos -t "a {}" -o second.safetensors
says err "class vectors come from a file: --template and --templates have no use"
expect_exit 2 "$label" -e "$golden/dense" photos --cache cache-dense -o second.safetensors
says err "another choice of --local or --grid"
expect_exit 0 "$label" -e "$golden/dense" photos --grid 3x4 -a mean -o second.safetensors
check different dense.safetensors second.safetensors
expect_exit 0 "${dense[@]}" photos -a mean --mirror -o second.safetensors
check different dense.safetensors second.safetensors
expect_exit 0 "${dense[@]}" photos -a global -o second.safetensors
expect_exit 0 "$label" -e "$golden/dense" photos -a global -o scored.safetensors
check equal second.safetensors scored.safetensors
expect_exit 2 "${dense[@]}" photos --grid 3x3 -o none.safetensors
says err "--grid 3x3 cuts crops, and --local dense takes"
expect_exit 1 "${encode[@]}" photos --local dense -o none.safetensors
says err "export the model with export_clip.py --dense"
expect_exit 0 "$label" --inspect "$golden/dense"
says out "3 x 4, for --local dense"

# Shards: together they are the whole, row by row, and a new picture moves no other.
for part in 1 2; do
    expect_exit 0 "${encode[@]}" photos --shard $part/2 -o part-$part.safetensors
    expect_exit 0 "${encode[@]}" more --shard $part/2 -o more-$part.safetensors
    check within part-$part.safetensors more-$part.safetensors
done
expect_exit 0 "$label" --merge part-1.safetensors part-2.safetensors -o merged.safetensors
check within labels.safetensors merged.safetensors
check within merged.safetensors labels.safetensors
expect_exit 1 "$label" --merge part-1.safetensors part-1.safetensors -o twice.safetensors
says err "part-1.safetensors"
[ ! -e twice.safetensors ] || fail "a failed merge left its output"

# What cannot be read is skipped, said, listed; the rest is as before.
cp -r photos bad
head -c 200 photos/02.ppm >bad/02.ppm
echo "no picture" >bad/04.ppm
for cache in "" "--cache=bad-cache"; do
    expect_exit 3 "${encode[@]}" bad $cache -o bad.safetensors
    says err "2 images skipped: see bad.safetensors.skipped.csv"
    [ "$(wc -l <bad.safetensors.skipped.csv)" -eq 3 ] || fail "$(cat bad.safetensors.skipped.csv)"
    says bad.safetensors.skipped.csv "bad/02.ppm,"
    says bad.safetensors.skipped.csv "bad/04.ppm,"
    [ -n "$cache" ] || check within bad.safetensors labels.safetensors
done
expect_exit 0 "${encode[@]}" photos -o bad.safetensors
[ ! -e bad.safetensors.skipped.csv ] || fail "the list of an earlier run is still there"

# A signal: exit 130, no output, no temporary file; with a cache the next run goes on and ends at the same bytes.
mkdir many
for ((i = 0; i < 1500; i++)); do ln "photos/sub/0$((i % 4 * 3)).ppm" many/$i.ppm; done
mkdir whole killed
expect_exit 0 env -C whole "${encode[@]}" ../many --cache cache -o labels.safetensors
: >err # the wait below must not see the run before
env -C killed "${encode[@]}" ../many --cache cache --progress always -o labels.safetensors 2>err &
job=$!
until tr '\r' '\n' <err | grep -q ' [1-9][0-9,]*/1,500'; do
    kill -0 $job 2>/dev/null || fail "ended before it was interrupted: $(cat err)"
    sleep 0.01
done
kill -TERM $job
got=0
wait $job || got=$?
[ "$got" -eq 130 ] || fail "exit $got after a signal: $(cat err)"
says err "finished images are in cache: run the same command again"
[ ! -e killed/labels.safetensors ] || fail "an interrupted run left its output"
[ -z "$(find . -name '.*.tmp')" ] || fail "an interrupted run left a temporary file: $(find . -name '.*.tmp')"
expect_exit 0 env -C killed "${encode[@]}" ../many --cache cache -o labels.safetensors
says err "of 1500 images are in the cache"
same whole/labels.safetensors killed/labels.safetensors

# Mistakes.
expect_exit 2 "${encode[@]}" photos
says err "no output"
mkdir bin # without what comes with cdul beside it
cp "$label" bin/
LD_LIBRARY_PATH=$(ldd "$label" | sed -n 's|.*=> \(.*\)/libonnxruntime.*|\1|p') expect_exit 2 bin/cdul-label -C classes.txt photos -o none.safetensors
says err "no encoder: give its folder with --encoder, or cosines with --scores; for the default one"
expect_exit 2 "${encode[@]}" -o none.safetensors
says err "no images"
expect_exit 2 "${encode[@]}" photos --grid 3by3 -o none.safetensors
expect_exit 2 "${encode[@]}" photos --shard 3/2 -o none.safetensors
expect_exit 2 "${encode[@]}" photos --template "no place" -o none.safetensors
expect_exit 2 "$label" --scores scores.safetensors -o none.safetensors
says err "--temperature"
expect_exit 1 "$label" -e nowhere -C classes.txt photos -o none.safetensors
says err "nowhere"
expect_exit 1 "$label" -e "$golden/clip" -C nowhere.txt photos -o none.safetensors
says err "nowhere.txt"
expect_exit 1 "${encode[@]}" photos -o no/such/folder/none.safetensors
says err "no/such/folder"
[ -z "$(find . -name 'none*')" ] || fail "a mistake left an output"
expect_exit 0 "$label" --inspect "$golden/clip"
says out "32"

# Weights in a file of their own, whatever its name, belong to the encoder that a cache is made for.
cp -r "$golden/clip" apart
"$python" - apart/onnx/vision_model.onnx <<'PYTHON'
import sys
import onnx
onnx.save(onnx.load(sys.argv[1]), sys.argv[1], save_as_external_data=True, location="the weights.bin", size_threshold=0)
PYTHON
expect_exit 0 "$label" -e apart -C classes.txt photos --cache cache-apart -o apart.safetensors
check near labels.safetensors apart.safetensors 0.01
printf '\377' | dd of="apart/onnx/the weights.bin" bs=1 seek=1001 conv=notrunc status=none
expect_exit 2 "$label" -e apart -C classes.txt photos --cache cache-apart -o none.safetensors
says err "this cache was made with another encoder"

# A config.json that does not say what model it is hides nothing.
cp -r "$here/../golden/layouts/open_clip_shortest" described
expect_exit 0 "$label" --inspect described
cp out described.txt
printf '{"architectures": ["Model"]}' >described/config.json
expect_exit 0 "$label" --inspect described
same described.txt out
grep -q 'temperature: *0.01' out || fail "open_clip_config.json was not read: $(cat out)"

# Variants of an encoder's graphs are chosen, never taken in silence.
published=$here/../golden/layouts/transformers_js
expect_exit 0 "$label" --inspect "$published" --variant quantized
says out "vision_model_quantized.onnx"
says out "note:        the text tower has no variant 'quantized'"
expect_exit 0 "$label" -e "$published" --variant fp16 -C classes.txt photos -o fp16.safetensors
says err "the text tower has no variant 'fp16': onnx/text_model.onnx, in float32, is used"
for variant in int8 uint8 q4 q4f16 bnb4; do
    expect_exit 0 "$label" -e "$here/../golden/layouts/quantised" --variant "$variant" -C classes.txt photos -o "$variant.safetensors"
done
expect_exit 1 "$label" -e "$published" --variant int8 -C classes.txt photos -o none.safetensors
says err "no variant 'int8' of the image tower; there are: float32 (without --variant), fp16, q4, quantized"
for unused in "--variant fp16" "--cache cache" "--mirror" "--local dense" "--save-scores new.safetensors" "-e $golden/clip" "--templates simple" "--shard 1/2" "--grid 2x2"; do
    expect_exit 2 "$label" --scores scores.safetensors -T 0.01 $unused -o none.safetensors
    says err "--scores embeds no images, so --"
    expect_exit 2 "$label" --merge part-1.safetensors part-2.safetensors $unused -o none.safetensors
    says err "--merge embeds no images, so --"
done
for unused in "-C classes.txt" "-T 0.01" "--scores scores.safetensors" "--calibrate-positives 2"; do
    expect_exit 2 "$label" --merge part-1.safetensors part-2.safetensors $unused -o none.safetensors
    says err "--merge changes no label, so -"
done
expect_exit 2 "$label" --scores scores.safetensors -T 0.01 photos -o none.safetensors
says err "--scores looks at no images, so 'photos' has no use"
expect_exit 0 "$label" --scores scores.safetensors -T 0.01 -a max --zeta 0.4 -o scored.safetensors
says err "--zeta 0.4 has no use: only --aggregate cdul reads it"
expect_exit 0 "$label" --scores scores.safetensors -T 0.01 -a global --lambda 1 -o scored.safetensors
says err "--lambda 1 has no use: --aggregate global leaves the crops out"
[ ! -e none.safetensors ] || fail "a mistake left an output"
passed
