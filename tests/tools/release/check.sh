#!/usr/bin/env bash
# Builds the same sources again in another folder, with another home, umask, time zone and user name, and compares the bytes:
# check.sh [simulator | full]
#
# It compares the modules, and the files of a release that are packed from one build. `simulator` compares that program, too: with its
# C code of TLS it is built as the plugin is, in a tenth of the time. `full` compares both programs: it compiles the plugin twice, with
# its WebAssembly compiler.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
readonly root
readonly KEPT=target/dist-check
readonly PLUGIN=vault-plugin-secrets-datastax-astra
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT

main() {
    [[ ${1:-} =~ ^(simulator|full)?$ ]] || { echo "usage: check.sh [simulator | full]" >&2; exit 64; }
    # Nothing here needs the server, and in a fresh clone make would refuse a name of one that is not there yet.
    unset BAO_BIN
    make_other_place
    cd "$root"
    other_build component
    local module
    for module in astra http-passwords; do
        same "target/component/$module.wasm" "$elsewhere/sources/target/component/$module.wasm"
    done
    local built=target/${CARGO_BUILD_TARGET:?} simulator plugin
    if [[ -n ${1:-} ]]; then
        make simulator PROFILE=release
        other_build simulator
        same "$built/release/astra-simulator" "$elsewhere/sources/$built/release/astra-simulator"
    fi
    if [[ ${1:-} == full ]]; then
        make plugin PROFILE=release
        other_build plugin
        same "target/plugin/release/$PLUGIN" "$elsewhere/sources/target/plugin/release/$PLUGIN"
    fi
    export DIST_GZIP_LEVEL=1
    # Which programs are packed does not matter: the packing is compared.
    plugin=$(newest target/plugin/{release,debug}/"$PLUGIN")
    simulator=$(newest "$built"/{release,debug}/astra-simulator)
    pack "$root" "$elsewhere/here"
    in_other_place pack "$elsewhere/sources" "$elsewhere/there"
    local file
    for file in "$elsewhere"/here/*; do same "$file" "$elsewhere/there/${file##*/}"; done
    echo "two builds gave the same bytes"
}

# The sources as git has them and as they are changed here, and a home with the crates that are fetched already.
make_other_place() {
    mkdir -p "$elsewhere/sources" "$elsewhere/home/cargo"
    git -C "$root" ls-files -z -co --exclude-standard | tar -C "$root" --null --files-from=- -c | tar -C "$elsewhere/sources" -x
    ln -s "${CARGO_HOME:-$HOME/.cargo}/registry" "$elsewhere/home/cargo/registry"
    # Tools are no part of what is built.
    mkdir -p "$elsewhere/sources/target"
    ln -s "$root/target/tools" "$elsewhere/sources/target/tools"
}

in_other_place() {
    (
        umask 077
        export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup} CARGO_HOME=$elsewhere/home/cargo HOME=$elsewhere/home
        export TZ=Pacific/Chatham USER=somebody LOGNAME=somebody GIT_DIR=$root/.git LC_ALL=C
        unset CARGO_TARGET_DIR
        cd "$elsewhere/sources"
        "$@"
    )
}

other_build() { in_other_place make "$@" PROFILE=release; }

# The file that was built last: newest FILE…
newest() {
    local file newest=
    for file in "$@"; do [[ ! -x $file || $newest -nt $file ]] || newest=$file; done
    [[ -n $newest ]] || { echo "there is nothing to pack, $* was not built" >&2; return 1; }
    realpath "$newest"
}

# Packs by the scripts in a folder: pack SOURCES OUT.
pack() {
    local modules=$1/target/component
    python3 "$1/tests/tools/release/dist.py" --out "$2" pack --target "$CARGO_BUILD_TARGET" --plugin "$plugin" \
        --module "$modules/astra.wasm" --simulator "$simulator" --passwords "$modules/http-passwords.wasm"
    python3 "$1/tests/tools/release/dist.py" --out "$2" finish >/dev/null
}

# Compares two files. Where they differ, both stay in target/dist-check/.
same() {
    local name=${1##*/} bytes
    if cmp --quiet "$1" "$2"; then
        echo "the same bytes: $name"
        return
    fi
    mkdir -p "$KEPT"
    cp "$1" "$KEPT/$name.here"
    cp "$2" "$KEPT/$name.there"
    bytes=$(cmp --verbose "$1" "$2" | wc -l) || true
    echo "two builds of the same sources differ in $bytes bytes: $name; see $KEPT" >&2
    exit 1
}

main "$@"
