#!/usr/bin/env bash
# Makes components of guests: build-wasm.sh [astra | rogue | engine FOLDER COMPONENT.wasm | environment]
#
#   astra    the Astra engine            -> target/component/astra.wasm  (this is what happens without an argument)
#   rogue    the tests' guests           -> target/component/rogue/*.wasm (hostile ones), target/component/toy/*.wasm
#   engine   the engine whose crate lies in FOLDER
#   environment   prints what cargo needs in its environment to build for wasm in any folder: nothing with rustup's library
#
# The same sources give the same bytes, wherever they lie. What has not changed is left alone.
#
# The pinned toolchain does it, with the standard library for wasm that rustup fetches. Where that cannot be fetched, or
# with GUEST_TOOLCHAIN=distribution, Debian's packages of a Rust compiler and its sources do: the library is then built
# from these sources.
set -euo pipefail
# What fails within `$(…)` fails here, too.
shopt -s inherit_errexit

readonly TARGET=wasm32-unknown-unknown
ROOT=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly ROOT

# Handlers are shallow, and JSON is parsed to a bounded depth.
readonly STACK_BYTES=$((64 * 1024))
# Stack, data and the heap of an ordinary request, so that it needs no memory system call. The host keeps as much resident
# for each slot of its pool (`component-runtime`): change both.
readonly INITIAL_MEMORY_BYTES=$((320 * 1024))

main() {
    case "${1:-astra}" in
        astra)
            make_engine "$ROOT/guest/astra-component" target/component/astra.wasm
            ;;
        rogue)
            cd "$ROOT"
            build build -p rogue-components -p toy-engines --examples
            components_of rogue-components rogue
            components_of toy-engines toy
            ;;
        engine)
            [[ $# -eq 3 && -f "$2/Cargo.toml" ]] || fail "usage: build-wasm.sh engine FOLDER COMPONENT.wasm"
            make_engine "$(realpath "$2")" "$(realpath --canonicalize-missing "$3")"
            ;;
        environment)
            cd "$ROOT"
            use_distribution || return 0
            prepare_distribution
            echo "RUSTC=$DISTRIBUTION_RUSTC RUSTC_BOOTSTRAP=1 CARGO_UNSTABLE_BUILD_STD=std,panic_abort" \
                "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$LINKER"
            ;;
        *)
            fail "usage: build-wasm.sh [astra | rogue | engine FOLDER COMPONENT.wasm | environment]"
            ;;
    esac
}

# Builds the crate in a folder and makes a component of it. From here on all runs in this repository's folder, with its
# toolchain.
make_engine() {
    cd "$ROOT"
    local artifacts core
    artifacts=$(build rustc --manifest-path "$1/Cargo.toml" --lib --crate-type cdylib \
        --message-format json-render-diagnostics \
        -- -C link-arg=-zstack-size=$STACK_BYTES -C link-arg=--initial-memory=$INITIAL_MEMORY_BYTES)
    # The crate itself is built last.
    core=$(sed -n 's/.*"filenames":\["\([^"]*\.wasm\)".*/\1/p' <<<"$artifacts" | tail -n 1)
    componentize "$core" "$2"
}

# Runs a command of cargo for the target; its other arguments say what to build.
build() {
    if use_distribution; then
        prepare_distribution
        TARGET_DIR=target/wasm-distribution
        RUSTC=$DISTRIBUTION_RUSTC RUSTC_BOOTSTRAP=1 \
            CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$LINKER \
            guest_cargo "$1" -Zbuild-std=std,panic_abort "${@:2}"
    else
        TARGET_DIR=target/wasm
        guest_cargo "$@"
    fi
}

# What is built for wasm lies in a folder of its own, wherever the native programs do.
guest_cargo() {
    env -u RUSTFLAGS CARGO_TARGET_DIR="$TARGET_DIR" \
        RUSTC_WRAPPER="$ROOT/tests/tools/release/rustc.sh" CARGO_ENCODED_RUSTFLAGS=--cfg=remapped \
        cargo "$1" --config guest/profile.toml --profile guest --target "$TARGET" "${@:2}"
}

# Makes a component of each example of a crate: components_of CRATE FOLDER.
components_of() {
    local source name
    for source in "tests/$1"/examples/*.rs; do
        name=$(basename "$source" .rs)
        componentize "$TARGET_DIR/$TARGET/guest/examples/$name.wasm" "target/component/$2/$name.wasm"
    done
}

# Makes a component, by a tool of the workspace that runs natively.
componentize() {
    cargo run --quiet -p componentize -- "$1" "$2"
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
    STD_SOURCES=$(realpath "$(sources_link)")
    export STD_SOURCES
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
