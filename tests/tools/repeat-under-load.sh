#!/usr/bin/env bash
# Runs the scenarios again and again beside as many busy processes as there are
# cores, to find tests that fail for another reason than a fault:
#
#   bash tests/tools/repeat-under-load.sh RUNS [TEST-ARGUMENT…]
#
# RUNS is how often the whole suite runs. The test arguments go to the test
# program as they are, such as `native::` or `--skip openbao::`.
#
# The test program must have been built before: `make test` builds it, the
# component and the plugin. The newest one is taken; TEST_BIN names another.
# RUN_DEADLINE is how many seconds one run may take (default 3600); a run that
# takes longer, or that dies, counts as a failure of its own. SIDE_BY_SIDE is
# how many runs there are at once (default 1).
#
# Prints a table of failures by test name, the most frequent first. The output
# of each run that failed stays in target/repeat-under-load/. Exits with 1 if
# anything failed, with 2 if nothing could be run.
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
logs=$root/target/repeat-under-load
load=()

main() {
    if [[ ! ${1:-} =~ ^[1-9][0-9]*$ ]]; then
        echo "usage: repeat-under-load.sh RUNS [TEST-ARGUMENT…]" >&2
        exit 2
    fi
    local runs=$1
    shift
    local program
    program=$(test_program)
    # As `make test` has them: a snapshot that differs is a failure, the pinned server is used, and as many tests run at once.
    export INSTA_UPDATE=no BAO_BIN=${BAO_BIN:-$root/target/tools/bao}
    export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
    rm -rf "$logs"
    mkdir -p "$logs"
    trap end_load EXIT
    begin_load
    local run at_once=() side_by_side=${SIDE_BY_SIDE:-1}
    for ((run = 1; run <= runs; run++)); do
        run_once "$program" "$run" "$@" &
        at_once+=($!)
        if ((${#at_once[@]} == side_by_side || run == runs)); then
            wait "${at_once[@]}"
            at_once=()
        fi
    done
    report "$runs"
}

# The newest test program of the scenarios: other crates have one of that name, too.
test_program() {
    if [[ -n ${TEST_BIN:-} ]]; then
        realpath -- "$TEST_BIN"
        return
    fi
    local file
    while IFS= read -r file; do
        # Not `grep -q`: it ends at the first match, and the program that still writes its list then fails.
        if [[ -x $file && $file != *.* ]] && "$file" --list 2>/dev/null | grep '^tidy_tokens::' >/dev/null; then
            echo "$file"
            return
        fi
    done < <(ls -t "${CARGO_TARGET_DIR:-$root/target}"/{,*/}debug/deps/all-* 2>/dev/null)
    echo "no test program of the scenarios was found: run \`make test\` first, or name one by TEST_BIN" >&2
    exit 2
}

begin_load() {
    local core
    for ((core = 0; core < $(nproc); core++)); do
        (while :; do :; done) &
        load+=($!)
    done
}

end_load() {
    ((${#load[@]} == 0)) || kill "${load[@]}" 2>/dev/null || true
}

# One run. The names of its failed tests go to `failed`, one a line.
run_once() {
    local program=$1 run=$2 status=0
    shift 2
    local log=$logs/run-$run.log
    # Scenarios run in the folder of their crate, as cargo runs them.
    (cd "$root/tests/scenarios" && exec timeout "${RUN_DEADLINE:-3600}" "$program" "$@") >"$log" 2>&1 || status=$?
    local result
    result=$(grep '^test result:' "$log" || true)
    echo "run $run: ${result:-no result, exit status $status}"
    if ((status == 0)) && [[ -n $result ]]; then
        rm -f "$log"
        return
    fi
    if [[ -n $result ]]; then
        # The list of names at the end: lines of tests that run side by side may be torn.
        awk '/^failures:$/ { names = "" } /^    [^ ]/ { names = names $1 "\n" } END { printf "%s", names }' "$log"
    else
        echo "(a run that ended without a result, exit status $status)"
    fi >>"$logs/failed"
}

report() {
    local runs=$1
    if [[ ! -s $logs/failed ]]; then
        echo "no failure in $runs runs"
        return
    fi
    printf '\n%8s  %s\n' "failures" "test, of $runs runs"
    sort "$logs/failed" | uniq -c | sort -rn | awk '{ n = $1; $1 = ""; printf "%8d %s\n", n, $0 }'
    echo "what failed is in ${logs#"$root"/}/"
    exit 1
}

main "$@"
