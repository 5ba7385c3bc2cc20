# The head of the shell tests; sourced. `test` is the name that failures begin with, `here` this folder, `golden` the
# golden files.
# shellcheck shell=bash
set -euo pipefail
test=$(basename "$0")
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck disable=SC2034 # for those who source this
golden=$(cd "$here/../golden" && pwd)
export PYTHONDONTWRITEBYTECODE=1 HF_HUB_OFFLINE=1

# takes "WORDS" "$@": as many arguments as words that are not in brackets, or the usage and exit 2.
takes() {
    local words
    read -ra words <<<"${1%%[*}"
    [ "$#" -gt "${#words[@]}" ] || { echo "usage: $test $1" >&2; exit 2; }
}

skip() {
    echo "$test: skipped, $*"
    exit 77
}

fail() {
    echo "$test: $*" >&2
    exit 1
}

passed() { echo "$test: passed"; }

# The test goes on in an empty folder, $scratch, which is removed however it ends.
in_scratch() {
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    cd "$scratch"
}

# program_path WORD: an absolute path that links are not followed of, as a venv's Python must be called.
program_path() { realpath -sm "$(command -v "$1" || echo "$1")"; }

# needs_modules PYTHON MODULE...: or the test is skipped.
needs_modules() {
    local python=$1 modules missing
    shift
    printf -v modules '%s, ' "$@"
    missing=$("$python" -c "import ${modules%, }" 2>&1) || skip "run scripts/setup.sh test: ${missing##*$'\n'}"
}

# expect_exit CODE COMMAND...: output in ./out, messages in ./err.
expect_exit() {
    local want=$1 got=0
    shift
    "$@" >out 2>err || got=$?
    [ "$got" -eq "$want" ] || fail "exit $got instead of $want: $* ($(cat err))"
}

says() { grep -qF -- "$2" "$1" || fail "\"$2\" is not in $1: $(cat "$1")"; }
says_not() { ! grep -qF -- "$2" "$1" || fail "\"$2\" is in $1: $(cat "$1")"; }
same() { cmp -s "$1" "$2" || fail "$1 and $2 differ: $(diff "$1" "$2")"; }
