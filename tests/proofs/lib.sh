# Shared by the proofs: curl that remembers the status, and sentences for what must hold.
# shellcheck shell=bash
#
# A proof sets H and is run in an empty directory. The commands between "printed" marks are the
# ones of the specification, letter by letter; only the port in H and in host names differs.

set -euo pipefail

# shellcheck disable=SC2034  # for the proofs
J='Content-Type: application/json'
ANSWER=$(mktemp)
HEAD=$(mktemp)
STATUS=""
trap 'rm -f "$ANSWER" "$HEAD"' EXIT

# curl as the proofs print it: the body goes to standard output, unless -i asks for the head too.
# The wrapper keeps status, head and body for the sentences below.
curl() {
    local argument with_head="" arguments=()
    for argument in "$@"; do
        case $argument in
        -i) with_head=1 ;;
        *) arguments+=("$argument") ;;
        esac
    done
    STATUS=$(command curl -s -o "$ANSWER" -D "$HEAD" -w '%{http_code}' "${arguments[@]}")
    echo "$STATUS" >"$HEAD.status"
    [[ -z $with_head ]] || cat "$HEAD"
    cat "$ANSWER"
}

# The status of the last curl, also of one inside $( ).
last_status() { cat "$HEAD.status"; }

# A member of the last answer.
member() { jq -r "$1" "$ANSWER"; }

fail() {
    echo "proof failed: $*" >&2
    echo "  last answer: $(last_status) $(head -c 500 "$ANSWER")" >&2
    exit 1
}

# late SINCE SECONDS: ends the run as undecided (75) when so many have passed since.
late() {
    if [[ $(jq -n "$EPOCHREALTIME - $1 >= $2") == true ]]; then
        echo "proof undecided: $2 s were over too soon on this machine" >&2
        exit 75
    fi
}

expect_status() {
    [[ $(last_status) == "$1" ]] || fail "expected status $1, got $(last_status)${2:+ ($2)}"
}

# expect MEMBER VALUE: the member of the last answer has this value.
expect() {
    [[ $(member "$1") == "$2" ]] || fail "expected $1 to be '$2', got '$(member "$1")'"
}

expect_error() {
    expect_status "$1"
    expect .error "$2"
}

# header NAME: its value in the last answer.
header() { sed -n "s/^$1: *//Ip" "$HEAD" | tr -d '\r'; }
