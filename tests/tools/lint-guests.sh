#!/usr/bin/env bash
# Runs clippy on the crates that build for wasm: lint-guests.sh CRATE…
#
# Where rustup could not give the wasm target (the guest is then built with another compiler's sources, see
# guest/build-wasm.sh), clippy has no standard library for it and looks at the native build of the same code.
set -euo pipefail

readonly TARGET=wasm32-unknown-unknown

selection=()
for crate in "$@"; do selection+=(-p "$crate"); done

if [[ -d "$(rustc --print sysroot)/lib/rustlib/$TARGET/lib" ]]; then
    set -x
    cargo clippy "${selection[@]}" --lib --examples --target "$TARGET" -- -D warnings
else
    echo "lint: no standard library for $TARGET here, so the guests are checked as native code" >&2
    set -x
    cargo clippy "${selection[@]}" --lib --examples -- -D warnings
fi
