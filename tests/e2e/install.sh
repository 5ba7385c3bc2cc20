#!/usr/bin/env bash
# An installation as others use it: programs with their pages, a C program built with pkg-config and one with CMake.
#   install.sh BUILD_FOLDER C_COMPILER
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

[ "$#" -eq 2 ] || { echo "usage: install.sh BUILD_FOLDER C_COMPILER" >&2; exit 2; }
build=$(realpath "$1") compiler=$2
here=$(cd "$(dirname "$0")" && pwd)
pictures=$here/../golden/encoder/pictures
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
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
[ -s "$prefix/share/cdul/voc2007-classes.txt" ] || fail "no configs"
[ -s "$prefix/share/doc/cdul/LICENSE" ] || fail "no licence"

# Nothing but the folders of a Unix installation, and no header that needs another than those installed.
folders=$(find "$prefix" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' ')
[ "$folders" = "bin include lib share " ] || fail "installs into $folders"
if grep -hE '^ *# *include' "$prefix"/include/cdul/*.h | grep -vE '<[a-z/]+\.h>|"cdul/[a-z]+\.h"'; then
    fail "a public header includes a private one"
fi
for header in "$prefix"/include/cdul/*.h; do
    printf '#include "cdul/%s"\n' "$(basename "$header")" >one.c
    "$compiler" -std=c11 -Wall -Wextra -pedantic -Werror -I"$prefix/include" -fsyntax-only one.c || fail "$header"
    "$compiler" -x c++ -std=c++11 -Wall -Wextra -Werror -I"$prefix/include" -fsyntax-only one.c || fail "$header in C++"
done

# The same program through pkg-config, found in the moved prefix, and through CMake.
mv "$prefix" "$scratch/moved"
prefix=$scratch/moved
lib=$prefix${lib#"$scratch/prefix"}
export PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib
flags=$(pkg-config --cflags --libs cdul) || fail "pkg-config"
cp "$here/client.c" .
read -ra words <<<"$flags"
# shellcheck disable=SC2086 # the sanitizers that libcdul was built with
"$compiler" -std=c11 -Wall -Wextra -Werror ${CDUL_SANITIZE:+-fsanitize=$CDUL_SANITIZE} client.c "${words[@]}" -lm -o client ||
    fail "building with pkg-config: $flags"
./client "$pictures" >client.txt || fail "the program built with pkg-config"
cat >CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(client C)
find_package(cdul 0.1 REQUIRED)
add_executable(client client.c)
target_link_libraries(client cdul::cdul m)
CMAKE
cmake -S . -B cmake -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$compiler" \
    -DCMAKE_C_FLAGS="${CDUL_SANITIZE:+-fsanitize=$CDUL_SANITIZE}" >cmake.txt 2>&1 || fail "find_package: $(cat cmake.txt)"
cmake --build cmake >cmake.txt 2>&1 || fail "building with find_package: $(cat cmake.txt)"
cmake/client "$pictures" | cmp - client.txt || fail "the program built with find_package"
grep -q '^0.png 97 x 61$' client.txt || fail "$(cat client.txt)"
grep -q '^aggregated 0.825 0.375$' client.txt || fail "$(cat client.txt)"
echo "install.sh: passed"
