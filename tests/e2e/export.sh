#!/usr/bin/env bash
# What cdul-train exports, in the hands of others: ONNX's checker, onnxruntime and its quantiser, and torchvision's network with the
# weights of model.safetensors. All must give the same scores, and so must cdul-predict.
#   export.sh FOLDER_OF_PROGRAMS PYTHON [PYTHON_WITH_TORCHVISION]
# PYTHON has the packages of scripts/requirements.txt.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "FOLDER_OF_PROGRAMS PYTHON [PYTHON_WITH_TORCHVISION]" "$@"
bin=$(realpath "$1") python=$(program_path "$2") torchvision=${3:-/usr/bin/python3}
in_scratch

needs_modules "$python" numpy onnx onnxruntime PIL safetensors

"$python" "$here/export.py" pictures photos labels.csv
for arch in resnet18 resnet50-caffe; do
    resize=squash
    [ $arch = resnet18 ] || resize=shortest
    "$bin/cdul-train" -l labels.csv --arch $arch --size 64 --resize $resize --batch 4 --epochs 1 --lr 1e-3 --head-lr-mult 10 --bn train \
        --precision fp32 --holdout 0 -j 1 -q photos -o $arch
    "$bin/cdul-predict" $arch photos -t 0 -f csv -o $arch.csv -j 1 -q --precision fp32
    "$bin/cdul-predict" $arch photos -t 0 -f csv -o $arch-int8.csv -j 1 -q --precision int8
    grep -q "\"resize\":[[:space:]]*\"$resize\"" $arch/model.json
    "$python" "$here/export.py" graph $arch photos $arch.csv
    "$python" "$here/export.py" int8 $arch photos $arch-int8.csv
done
if ! "$torchvision" -c 'import torchvision' 2>missing.txt; then
    echo "export.sh: the graph is good; no comparison with torchvision: $(tail -1 missing.txt)"
    exit 77
fi
for arch in resnet18 resnet50-caffe; do
    "$torchvision" "$here/export.py" torchvision $arch
done
passed
