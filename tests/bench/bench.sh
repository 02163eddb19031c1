#!/usr/bin/env bash
# Builds and runs the measurements in release mode. `make bench` calls this after `make build`: the plugin that is
# measured is the one in dist/, unless PLUGIN_BIN names another. BAO_BIN names the server. BASE_PLUGIN names another build
# of the plugin, beside which this one is measured. The arguments name what to measure; without arguments, all.
set -euo pipefail
cd "$(dirname "$0")/../.."

export PLUGIN_BIN="${PLUGIN_BIN:-$PWD/dist/vault-plugin-secrets-datastax-astra}"
cargo run --quiet --release -p bench -- "$@"
