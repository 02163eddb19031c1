#!/usr/bin/env bash
# Runs all tests: run-tests.sh CARGO-PACKAGE-SELECTION…
#
# A run that skips a test, or has none, fails. Scenarios that the server cannot play are printed, and must be those of the
# list in the repository.
set -euo pipefail

# As the tests are to run everywhere: a snapshot that differs is a failure, never a new file.
export INSTA_UPDATE=no
# Output goes through a pipe; keep the colours where a person looks.
if [[ -t 1 && -z ${CARGO_TERM_COLOR:-} ]]; then export CARGO_TERM_COLOR=always; fi

# Where the scenarios note that they were not played, and the list of those that Vault cannot play.
readonly NOT_PLAYED=target/not-played NOT_PLAYED_ON_VAULT=tests/tools/not-played-on-vault.txt

main() {
    mkdir -p target
    : >"$NOT_PLAYED"
    log=$(mktemp -p target --suffix=.test-log)
    trap 'rm -f "$log"' EXIT
    # Many tests wait: for a server, for a pause between attempts, for a fault that takes its time.
    export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
    # One selection of packages: with another, cargo would choose other features and build wasmtime again.
    step cargo test --no-fail-fast "$@"
    compare_not_played
    summary
}

# Which scenarios were not played, and are they those of the list?
compare_not_played() {
    local expected=/dev/null
    if [[ $("$BAO_BIN" version) == Vault* ]]; then expected=$NOT_PLAYED_ON_VAULT; fi
    if [[ -s $NOT_PLAYED ]]; then
        printf '\nscenarios that this server cannot play:\n'
        sort -u "$NOT_PLAYED"
    fi
    diff <(grep -v '^#' "$expected" | sort -u) <(sort -u "$NOT_PLAYED") || {
        echo "FAILED: the list of scenarios that this server cannot play differs from what was not played" >&2
        exit 1
    }
}

# Runs one command, keeping what it prints for the summary.
step() {
    printf '\n==> %s\n' "$*"
    "$@" 2>&1 | tee -a "$log" || { summary || true; echo "FAILED: $*" >&2; exit 1; }
}

# The last lines: how many tests there were, over all test programs.
summary() {
    awk '/test result:/ {
            gsub(/\033\[[0-9;()A-Z]*m?/, "")
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^failed/) failed += $(i - 1)
                if ($i ~ /^ignored/) ignored += $(i - 1)
            }
        }
        END {
            printf "\n%d passed, %d failed\n", passed, failed
            if (ignored > 0) { printf "%d ignored: no test may be skipped\n", ignored; exit 1 }
            if (passed == 0) { print "no test ran"; exit 1 }
            if (failed > 0) exit 1
        }' "$log"
}

main "$@"
