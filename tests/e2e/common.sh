# What the end-to-end tests share; sourced. `test` is the name that failures begin with.
# shellcheck shell=bash
test=$(basename "$0")

fail() {
    echo "$test: $*" >&2
    exit 1
}

# expect_exit CODE COMMAND...: output in ./out, messages in ./err.
expect_exit() {
    local want=$1 got=0
    shift
    "$@" >out 2>err || got=$?
    [ "$got" -eq "$want" ] || fail "exit $got instead of $want: $* ($(cat err))"
}

says() { grep -qF -- "$2" "$1" || fail "\"$2\" is not in $1: $(cat "$1")"; }
