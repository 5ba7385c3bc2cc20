#!/usr/bin/env bash
# A provider from a plug-in: OpenVINO on the processor, as scripts/setup.sh openvino fetches it, beside ONNX Runtime's
# CPU provider.
#   provider.sh FOLDER_OF_PROGRAMS ANY_PROCESSOR.so DEPS PYTHON
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS ANY_PROCESSOR.so DEPS PYTHON" "$@"
bin=$(realpath "$1") shim=$(realpath "$2") deps=$(realpath "$3") python=$(program_path "$4")
plugin=$deps/openvino/libonnxruntime_providers_openvino_plugin.so
[ -e "$plugin" ] || skip "run scripts/setup.sh openvino: no $plugin"
needs_modules "$python" numpy safetensors
in_scratch

# A machine without a processor by Intel is told so; the rest of the test then pretends to be one.
library=$plugin
inspect=("$bin/cdul-label" --inspect "$golden/encoder/clip")
if ! "${inspect[@]}" --provider openvino --provider-library "$plugin" >out 2>err; then
    expect_exit 2 "${inspect[@]}" --provider openvino --provider-library "$plugin"
    says err "this plug-in finds no device in this machine that it works on"
    expect_exit 2 "$bin/cdul-predict" "$golden/classifier/run" "$golden/encoder/pictures" --provider openvino \
        --provider-library "$plugin"
    says err "finds no device"
    [ ! -s out ] || fail "predictions in spite of it"
    library=$shim
    export CDUL_OPENVINO=$plugin
fi
openvino=(--provider openvino --provider-library "$library")

# What there is, and what there is not.
for program in label predict; do
    expect_exit 0 "$bin/cdul-$program" --version
    says out "onnxruntime "
    says out "providers "
done
expect_exit 2 "${inspect[@]}" --provider-library "$library"
says err "this plug-in has no provider 'cpu'; it has: OpenVINO:0 (CPU)"
expect_exit 2 "${inspect[@]}" --provider openvino:99 --provider-library "$library"
says err "no provider 'openvino:99'"
expect_exit 1 "${inspect[@]}" "${openvino[@]}" --provider-option 'load_config={"CPU":{"NONSENSE":"1"}}'
says err "vision_model.onnx: ONNX Runtime cannot open it for OpenVINO on CPU: "
says err "NONSENSE"
[ "$(wc -l <err)" -eq 1 ] || fail "not one line: $(cat err)"

# Both towers run there, whole.
for name in openvino OpenVINO:0; do
    expect_exit 0 "${inspect[@]}" --provider $name --provider-library "$library"
    [ "$(grep -c 'runs on:   OpenVINO on CPU: all [0-9]* nodes$' out)" -eq 2 ] || fail "inspect: $(cat out)"
done
expect_exit 0 "${inspect[@]}"
[ "$(grep -c 'runs on:   CPU$' out)" -eq 2 ] || fail "inspect: $(cat out)"

# The same vectors: the class vectors are the unit vectors, so the saved cosines are the picture's vector itself.
vectors() { # ENCODER WIDTH
    "$python" "$here/provider.py" axes "$2" axes.safetensors
    local label=("$bin/cdul-label" -e "$1" --text axes.safetensors -T 1 "$golden/encoder/pictures" -o labels.safetensors)
    expect_exit 0 "${label[@]}" --save-scores cpu.safetensors
    grep -q "provider" err && fail "a provider is named that is only the CPU: $(cat err)"
    expect_exit 0 "${label[@]}" --save-scores openvino.safetensors "${openvino[@]}"
    says err "provider: OpenVINO on CPU: all "
    "$python" "$here/provider.py" cosines cpu.safetensors openvino.safetensors || fail "$1: other vectors"
}
vectors "$golden/encoder/clip" 16
if [ -e "$deps/share/encoder/onnx/vision_model.onnx" ]; then
    vectors "$deps/share/encoder" 2280
else
    echo "provider.sh: without EfficientNet: scripts/setup.sh encoder has not made .deps/share"
fi

# Class vectors from the text tower, and a classifier.
printf 'cat\nhorse\n' >classes.txt
label=("$bin/cdul-label" -e "$golden/encoder/clip" -C classes.txt "$golden/encoder/pictures" -o labels.safetensors)
expect_exit 0 "${label[@]}" --save-scores cpu.safetensors
expect_exit 0 "${label[@]}" --save-scores openvino.safetensors "${openvino[@]}"
"$python" "$here/provider.py" near cpu.safetensors openvino.safetensors || fail "other cosines"
predict=("$bin/cdul-predict" "$golden/classifier/run" "$golden/encoder/pictures" --format csv)
expect_exit 0 "${predict[@]}" -o cpu.csv
expect_exit 0 "${predict[@]}" -o openvino.csv "${openvino[@]}"
says err "provider: OpenVINO on CPU: all "
"$python" "$here/provider.py" tables cpu.csv openvino.csv || fail "other scores"
passed
