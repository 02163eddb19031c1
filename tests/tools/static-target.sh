#!/usr/bin/env bash
# Says for which target the plugin is built, as lines for make: static-target.sh FILE.mk PROCESSOR
#
# A static program starts on every Linux system, so that is what is built: with the machine's `musl-gcc`, or with a
# compiler that is fetched as a pinned wheel. Where neither can be had, the plugin is built for this machine's own
# system, and needs its C library (or a newer one) wherever it runs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
target=${2:-$(uname -m)}-unknown-linux-musl
readonly target

main() {
    [[ $# -eq 2 ]] || { echo "usage: static-target.sh FILE.mk PROCESSOR" >&2; exit 64; }
    mkdir -p "$(dirname "$1")"
    local lines
    if has_standard_library && compiler=$(c_compiler); then
        lines="export CARGO_BUILD_TARGET := $target
export CC_${target//-/_} := $compiler"
        # Rust's own linker needs nothing of the machine.
        is_native || lines+="
export CARGO_TARGET_$(tr a-z- A-Z_ <<<"$target")_LINKER := rust-lld
export ZIG_CC_PROCESSOR := $2"
    elif ! is_native; then
        echo "this machine cannot build for $target" >&2
        exit 1
    else
        echo "this machine cannot build the static plugin ($target): building one that needs this machine's C library" >&2
        lines="export CARGO_BUILD_TARGET := $(rustc -vV | sed -n 's/^host: //p')"
    fi
    # What has not changed is left alone, and nothing is built again.
    [[ -f $1 && $(<"$1") == "$lines" ]] && touch "$1" || printf '%s\n' "$lines" >"$1"
}

is_native() { [[ $target == "$(uname -m)"-* ]]; }

has_standard_library() {
    [[ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]] && return
    command -v rustup >/dev/null && timeout 300 rustup target add "$target" >&2
}

c_compiler() {
    if is_native && command -v musl-gcc; then return; fi
    [[ -x $here/../../target/tools/zig/ziglang/zig ]] || bash "$here/fetch.sh" zig "$here/../../target/tools" >&2 || return 1
    echo "$here/zig-cc.sh"
}

main "$@"
