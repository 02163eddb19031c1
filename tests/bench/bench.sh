#!/usr/bin/env bash
# Builds and runs the measurements in release mode. `make bench` calls this after `make build`: the plugin that is
# measured is the one in dist/, unless PLUGIN_BIN names another. BAO_BIN names the server. The arguments name what to
# measure; without arguments, all.
#
# The measurement `base` compares with programs of an earlier commit, which base.sh builds. BASE_PLUGIN, FLOOR_ONE_READ and
# FLOOR_GO_CALLS name others; OTHER_PLUGIN names a plugin that somebody has, for example the Go plugin.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [[ $# -eq 0 || " $* " == *" base "* ]]; then
    # What is named is not built.
    parts=()
    [[ -n ${BASE_PLUGIN:-} ]] || parts+=(plugin)
    [[ -n ${FLOOR_ONE_READ:-} && -n ${FLOOR_GO_CALLS:-} ]] || parts+=(floors)
    if ((${#parts[@]})); then
        bash tests/bench/base.sh "${parts[@]}" || echo "bench.sh: nothing is compared with programs that could not be built" >&2
    fi
    use() { if [[ -z ${!1:-} && -x target/base/bin/release/$2 ]]; then export "$1=$PWD/target/base/bin/release/$2"; fi; }
    use BASE_PLUGIN vault-plugin-secrets-datastax-astra
    use FLOOR_ONE_READ floor-one-read
    use FLOOR_GO_CALLS floor-go-calls
fi

export PLUGIN_BIN="${PLUGIN_BIN:-$PWD/dist/vault-plugin-secrets-datastax-astra}"
cargo run --quiet --release -p bench -- "$@"
