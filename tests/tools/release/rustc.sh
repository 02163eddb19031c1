#!/usr/bin/env bash
# Runs rustc with flags that take the folders of this machine out of what the compiler writes, so that the same sources give
# the same bytes wherever they lie. Cargo calls it as RUSTC_WRAPPER: rustc.sh RUSTC ARGUMENT…
#
# In RUSTFLAGS the same flags would do harm: cargo makes the names of its folders from RUSTFLAGS, and some of these names get
# into a program. Whoever uses this script gives cargo a mark in RUSTFLAGS instead, such as `--cfg=remapped`, for cargo does
# not see by itself that something is compiled with other flags.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
cargo_folder=${CARGO_HOME:-$HOME/.cargo}

# Of several flags that match, the last one counts.
flags=("--remap-path-prefix=$root=.")
if [[ -n ${CARGO_TARGET_DIR:-} ]]; then
    # Cargo runs in the root, and the compiler of a fetched crate in that crate's folder.
    flags+=("--remap-path-prefix=$(cd "$root" && realpath --canonicalize-missing -- "$CARGO_TARGET_DIR")=./target")
fi
flags+=("--remap-path-prefix=$cargo_folder=/cargo")
for registry in "$cargo_folder"/registry/src/*; do flags+=("--remap-path-prefix=$registry=/crates"); done
# The folder of a build script's output.
[[ -z ${OUT_DIR:-} ]] || flags+=("--remap-path-prefix=$OUT_DIR=/out/$CARGO_PKG_NAME")
# Where the compiler comes from a distribution, the sources of the standard library are compiled, too.
[[ -z ${STD_SOURCES:-} ]] || flags+=("--remap-path-prefix=$STD_SOURCES=/rustc")

exec "$@" "${flags[@]}"
