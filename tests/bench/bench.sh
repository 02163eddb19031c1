#!/usr/bin/env bash
# Builds and runs the measurements in release mode. `make bench` calls this after `make build`: the plugin that is
# measured is the one in dist/, unless PLUGIN_BIN names another. BAO_BIN names the server.
set -euo pipefail
cd "$(dirname "$0")/../.."

export PLUGIN_BIN="${PLUGIN_BIN:-$PWD/dist/vault-plugin-secrets-datastax-astra}"
cargo run --quiet --release -p bench
