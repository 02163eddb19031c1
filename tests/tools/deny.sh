#!/usr/bin/env bash
# Checks the dependencies by deny.toml: bans, licences and sources always; advisories where their database is reached.
# `deny.sh required` fails where it is not: a release is made with the advisories of its day.
set -euo pipefail

readonly CARGO_DENY=target/tools/cargo-deny
# Long enough to clone the database once over a slow line.
readonly FETCH_SECONDS_MAX=120

if timeout "$FETCH_SECONDS_MAX" "$CARGO_DENY" --log-level error fetch db >/dev/null 2>&1; then
    echo "deny: advisories, bans, licences, sources"
    "$CARGO_DENY" check
elif [[ ${1:-} == required ]]; then
    echo "deny: the database of advisories cannot be reached, and a release must be checked against it" >&2
    exit 1
else
    echo "deny: bans, licences, sources (advisories NOT checked: their database cannot be reached from here)"
    "$CARGO_DENY" check bans licenses sources
fi
