#!/usr/bin/env bash
# Prints flags of rustc that take the folders of this machine out of what the compiler writes, so that the same sources give
# the same bytes wherever they lie: remap.sh SEPARATOR. Later flags win over earlier ones.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
cargo_folder=${CARGO_HOME:-$HOME/.cargo}

flags=("--remap-path-prefix=$root=.")
[[ -z ${CARGO_TARGET_DIR:-} ]] || flags+=("--remap-path-prefix=$(realpath --canonicalize-missing -- "$CARGO_TARGET_DIR")=./target")
flags+=("--remap-path-prefix=$cargo_folder=/cargo")
for registry in "$cargo_folder"/registry/src/*; do flags+=("--remap-path-prefix=$registry=/crates"); done

line=$(printf "%s$1" "${flags[@]}")
printf '%s' "${line%"$1"}"
