#!/usr/bin/env bash
# Builds guests and makes components of them: build-wasm.sh [astra|rogue]
#
#   astra   the Astra engine           -> target/component/astra.wasm  (this is what happens without an argument)
#   rogue   the tests' hostile guests  -> target/component/rogue/*.wasm
#
# The same sources give the same bytes, wherever they lie. What has not changed is left alone.
#
# The pinned toolchain does it, with the standard library for wasm that rustup fetches. Where that cannot be fetched, or
# with GUEST_TOOLCHAIN=distribution, Debian's packages of a Rust compiler and its sources do: the library is then built
# from these sources.
set -euo pipefail

readonly TARGET=wasm32-unknown-unknown
ROOT=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT
readonly CARGO_FOLDER=${CARGO_HOME:-$HOME/.cargo}
cd "$ROOT"

main() {
    case "${1:-astra}" in
        astra)
            build -p astra-component
            componentize astra_component.wasm astra.wasm
            ;;
        rogue)
            build -p rogue-components --examples
            local source name
            for source in tests/rogue-components/examples/*.rs; do
                name=$(basename "$source" .rs)
                componentize "examples/$name.wasm" "rogue/$name.wasm"
            done
            ;;
        *)
            fail "usage: build-wasm.sh [astra|rogue]"
            ;;
    esac
}

# Runs cargo for the target; its other arguments say what to build.
build() {
    # Sources must lie unpacked where the flags are made, or they differ in the next run and all is built again.
    has_crates || cargo fetch --quiet
    remap "$ROOT" .
    remap "$CARGO_FOLDER" /cargo
    local registry
    for registry in "$CARGO_FOLDER"/registry/src/*; do remap "$registry" /crates; done
    if use_distribution; then
        prepare_distribution
        TARGET_DIR=target/wasm-distribution
        RUSTC=$DISTRIBUTION_RUSTC RUSTC_BOOTSTRAP=1 \
            CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$LINKER \
            guest_cargo -Zbuild-std=std,panic_abort "$@"
    else
        TARGET_DIR=target/wasm
        guest_cargo "$@"
    fi
}

guest_cargo() {
    env -u RUSTFLAGS CARGO_TARGET_DIR="$TARGET_DIR" CARGO_ENCODED_RUSTFLAGS="$FLAGS" \
        cargo build --profile guest --target "$TARGET" "$@"
}

# Makes a component, by a tool of the workspace that runs natively.
componentize() {
    cargo run --quiet -p componentize -- "$TARGET_DIR/$TARGET/guest/$1" "target/component/$2"
}

has_crates() {
    compgen -G "$CARGO_FOLDER/registry/src/*" >/dev/null
}

# Takes a folder of this machine out of what the compiler writes.
FLAGS=
remap() {
    FLAGS+="${FLAGS:+$'\x1f'}--remap-path-prefix=$1=$2"
}

# Answers whether the standard library has to be built from a distribution's sources.
use_distribution() {
    [[ "${GUEST_TOOLCHAIN:-}" == distribution ]] && return 0
    has_target && return 1
    echo "build-wasm: fetching the standard library for $TARGET" >&2
    if command -v rustup >/dev/null && timeout 300 rustup target add "$TARGET" >&2 && has_target; then
        return 1
    fi
    echo "build-wasm: it cannot be fetched here, so it is built from the distribution's sources" >&2
}

has_target() {
    [[ -d "$(sysroot)/lib/rustlib/$TARGET/lib" ]]
}

sysroot() {
    rustc --print sysroot
}

# Finds compiler, sources and linker of the way without rustup's library, or says how to get them.
prepare_distribution() {
    DISTRIBUTION_RUSTC=/usr/bin/rustc
    if ! has_sources; then
        local install="apt-get install --yes --no-install-recommends rustc-web rust-web-src"
        [[ $EUID -eq 0 ]] && command -v apt-get >/dev/null || fail "run this, then try again: sudo $install"
        $install >&2 || fail "'$install' failed: the guest cannot be built here"
        has_sources || fail "the packages hold no sources of the standard library where they are looked for"
    fi
    local sources
    sources=$(realpath "$(sources_link)")
    remap "$sources" /rustc
    LINKER="$(sysroot)/lib/rustlib/$(host)/bin/rust-lld"
    [[ -x "$LINKER" ]] || fail "the toolchain has no rust-lld, which links the guest: $LINKER"
}

has_sources() {
    [[ -x "$DISTRIBUTION_RUSTC" && -f "$(sources_link)/library/std/Cargo.toml" ]]
}

# Where cargo looks for the sources; the package makes it a link.
sources_link() {
    echo "$("$DISTRIBUTION_RUSTC" --print sysroot)/lib/rustlib/src/rust"
}

host() {
    rustc -vV | sed -n 's/^host: //p'
}

fail() {
    echo "build-wasm: $*" >&2
    exit 1
}

main "$@"
