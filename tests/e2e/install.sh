#!/usr/bin/env bash
# An installation as others use it: programs with their pages, their work from a prefix that was moved, a C program built
# with pkg-config and one with CMake.
#   install.sh BUILD_FOLDER C_COMPILER PYTHON
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "BUILD_FOLDER C_COMPILER PYTHON" "$@"
build=$(realpath "$1") compiler=$2 python=$3
pictures=$here/../golden/encoder/pictures
in_scratch
prefix=$scratch/prefix

cmake --install "$build" --prefix "$prefix" >install.txt || fail "cmake --install: $(cat install.txt)"
library=$(find "$prefix" -name libcdul.so)
[ -n "$library" ] || fail "no libcdul.so"
lib=$(dirname "$library")

# Programs run from where they are, and know their own pages.
for program in label predict eval train; do
    file=$prefix/bin/cdul-$program
    if [ $program = train ] && [ ! -e "$build/bin/cdul-train" ]; then continue; fi
    "$file" --version >version.txt || fail "cdul-$program --version"
    grep -q "^cdul-$program [0-9]" version.txt || fail "cdul-$program --version: $(cat version.txt)"
    "$file" --help >help.txt || fail "cdul-$program --help"
    grep -q '^Usage: ' help.txt || fail "cdul-$program --help: $(cat help.txt)"
    "$file" --generate man | cmp - "$prefix/share/man/man1/cdul-$program.1" || fail "the man page of cdul-$program"
    "$file" --generate bash | bash -n || fail "bash's completion of cdul-$program"
    for page in bash-completion/completions/cdul-$program zsh/site-functions/_cdul-$program \
        fish/vendor_completions.d/cdul-$program.fish; do
        [ -s "$prefix/share/$page" ] || fail "no share/$page"
    done
done
[ -s "$prefix/share/cdul/voc-classes.txt" ] || fail "no configs"
[ -s "$prefix/share/doc/cdul/LICENSE" ] || fail "no licence"

# Nothing but the folders of a Unix installation, and no header that needs another than those installed.
folders=$(find "$prefix" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' ')
[ "$folders" = "bin include lib share " ] || fail "installs into $folders"
if grep -hE '^ *# *include' "$prefix"/include/cdul.h "$prefix"/include/cdul/*.h | grep -vE '<[a-z/]+\.h>|"cdul/[a-z]+\.h"'; then
    fail "a public header includes a private one"
fi
for header in "$prefix"/include/cdul.h "$prefix"/include/cdul/*.h; do
    case $header in
        */cdul.h | */train.h) ;; # the latter is of the second library
        *) grep -q "\"${header#"$prefix/include/"}\"" "$prefix/include/cdul.h" || fail "cdul.h does not include $header" ;;
    esac
    printf '#include "%s"\n' "${header#"$prefix/include/"}" >one.c
    "$compiler" -std=c11 -Wall -Wextra -pedantic -Werror -I"$prefix/include" -fsyntax-only one.c || fail "$header"
    "$compiler" -x c++ -std=c++11 -Wall -Wextra -Werror -I"$prefix/include" -fsyntax-only one.c || fail "$header in C++"
done

# The programs in a prefix that was moved: nothing of the build, and every program's own test.
mv "$prefix" "$scratch/moved"
prefix=$scratch/moved
bin=$prefix/bin
lib=$prefix${lib#"$scratch/prefix"}
for file in "$bin"/cdul-*; do
    ! ldd "$file" | grep -F "$build/" || fail "$file needs the folder that it was built in"
done
skipped=
for program in eval predict label; do
    arguments=("$bin")
    [ $program != label ] || arguments+=("$python")
    code=0
    "$here/$program.sh" "${arguments[@]}" >program.txt 2>&1 || code=$?
    [ $code -ne 77 ] || skipped=$(cat program.txt)
    [ $code -eq 0 ] || [ $code -eq 77 ] || fail "the installed cdul-$program: $(cat program.txt)"
done

# From pictures without labels to figures, by installed programs alone.
if [ -e "$bin/cdul-train" ]; then
    printf 'cat\nhorse\n' >classes.txt
    printf 'image,cat,horse\n0.png,1,0\n1.png,0,1\n2.png,1,0\n3.jpg,0,1\n' >truth.csv
    expect_exit 0 "$bin/cdul-label" -e "$here/../golden/encoder/clip" -C classes.txt "$pictures" -o labels.safetensors
    expect_exit 0 "$bin/cdul-train" -l labels.safetensors --arch resnet18 --size 32 --batch 4 --epochs 1 --holdout 0 \
        "$pictures" -o run
    expect_exit 0 "$bin/cdul-predict" run "$pictures" -f csv -o scores.csv
    expect_exit 0 "$bin/cdul-eval" -t truth.csv scores.csv --json
    python3 -c 'import json; r = json.load(open("out"))["inputs"][0]; assert r["images"] == 4 and r["map"] > 0' ||
        fail "cdul-eval: $(cat out)"
fi

# The program in the head of cdul.h, as it stands and with a small network, through pkg-config, found in the moved prefix,
# and through CMake.
export PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib ORT_DISABLE_TELEMETRY=1
sed -n '/^ \*   #include <cdul.h>$/,/^ \* Errors\./s/^ \*\(   \)\{0,1\}//p' "$prefix/include/cdul.h" | sed '$d' >whole.c
[ "$(wc -l <whole.c)" -gt 25 ] || fail "no program in cdul.h: $(cat whole.c)"
small='train.arch = "resnet18"; train.size = 32; train.epochs = 1; train.holdout = 0;'
sed "s/train.output = \"run\";/& $small/" whole.c >program.c
! cmp -s whole.c program.c || fail "the program in cdul.h trains otherwise: $(cat whole.c)"
if [ -e "$lib/libcdul_train.so" ]; then
    ln -s "$here/../golden/encoder/clip" encoder
    ln -s "$pictures" photos
    flags=$(pkg-config --cflags --libs cdul cdul_train) || fail "pkg-config"
    read -ra words <<<"$flags"
    for file in whole program; do
        # shellcheck disable=SC2086 # the sanitizers that libcdul was built with
        "$compiler" -std=c11 -Wall -Wextra -Werror ${CDUL_SANITIZE:+-fsanitize=$CDUL_SANITIZE} $file.c "${words[@]}" -o $file ||
            fail "building with pkg-config: $flags"
    done
    rm -rf run
    ./program >program.txt || fail "the program built with pkg-config"
    cp labels.safetensors program.safetensors
    cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(program C)
find_package(cdul 0.1 REQUIRED COMPONENTS train)
add_executable(program program.c)
target_link_libraries(program cdul::cdul cdul::train)
CMAKE
    cmake -S . -B cmake -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$compiler" \
        -DCMAKE_C_FLAGS="${CDUL_SANITIZE:+-fsanitize=$CDUL_SANITIZE}" >cmake.txt 2>&1 || fail "find_package: $(cat cmake.txt)"
    cmake --build cmake >cmake.txt 2>&1 || fail "building with find_package: $(cat cmake.txt)"
    rm -rf run
    cmake/program | cmp - program.txt || fail "the program built with find_package"
    grep -q '^0.png 0\.[0-9]*$' program.txt && [ "$(wc -l <program.txt)" -eq 4 ] || fail "$(cat program.txt)"
    # Its labels are cdul-label's.
    expect_exit 0 "$bin/cdul-label" --merge program.safetensors -o merged.safetensors --csv program.csv
    expect_exit 0 "$bin/cdul-label" -e encoder -C classes.txt photos -o labels.safetensors --csv labels.csv
    cmp program.csv labels.csv || fail "the program's labels are not cdul-label's"
fi

# Likewise a program that trains: the second library, and the package's component.
if [ -e "$lib/libcdul_train.so" ]; then
    printf 'image,cat,horse\n0.png,0.9,0.2\n1.png,0.1,0.8\n2.png,0.7,0.1\n3.jpg,0.2,0.9\n' >labels.csv
    flags=$(pkg-config --cflags --libs cdul_train) || fail "pkg-config cdul_train"
    cp "$here/train_client.c" .
    read -ra words <<<"$flags"
    # shellcheck disable=SC2086 # as above
    "$compiler" -std=c11 -Wall -Wextra -Werror ${CDUL_SANITIZE:+-fsanitize=$CDUL_SANITIZE} train_client.c "${words[@]}" \
        -o train_client || fail "building with pkg-config: $flags"
    ./train_client labels.csv "$pictures" trained trained.onnx >trained.txt || fail "training through the library"
    [ "$(cat trained.txt)" = "4 images, 2 classes, 0 skipped, steps: yes" ] || fail "$(cat trained.txt)"
    cmp trained/model.onnx trained.onnx || fail "the exported model is not the run's"
    cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(client C)
find_package(cdul 0.1 REQUIRED COMPONENTS train)
add_executable(train_client train_client.c)
target_link_libraries(train_client cdul::train)
CMAKE
    cmake -S . -B cmake >cmake.txt 2>&1 || fail "find_package: $(cat cmake.txt)"
    cmake --build cmake >cmake.txt 2>&1 || fail "building with find_package: $(cat cmake.txt)"
else
    [ ! -e "$prefix/include/cdul/train.h" ] || fail "the header of a library that is not there"
fi
if [ -n "$skipped" ]; then
    echo "install.sh: all good but for what was not tried: $skipped"
    exit 77
fi
passed
