#!/usr/bin/env bash
# Builds the same sources again in another folder, with another home, umask, time zone and user name, and compares the bytes:
# check.sh [full]
#
# Without `full` it compares the modules, the simulator (a native program with the C code of TLS, as the plugin is), and the files of
# a release that are packed from one build. `full` compares the plugin, too: it compiles it twice, with its WebAssembly compiler.
set -euo pipefail

root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
readonly root
readonly PLUGIN=vault-plugin-secrets-datastax-astra
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT

main() {
    [[ ${1:-} =~ ^(full)?$ ]] || { echo "usage: check.sh [full]" >&2; exit 64; }
    make_other_place
    cd "$root"
    other_build component
    local module
    for module in astra http-passwords; do
        same "target/component/$module.wasm" "$elsewhere/sources/target/component/$module.wasm"
    done
    local plugin=$root/target/plugin/release/$PLUGIN simulator=$root/target/${CARGO_BUILD_TARGET:?}/release/astra-simulator
    make simulator PROFILE=release
    other_build simulator
    same "$simulator" "$elsewhere/sources/target/$CARGO_BUILD_TARGET/release/astra-simulator"
    if [[ -n ${1:-} ]]; then
        make plugin PROFILE=release
        other_build plugin
        same "$plugin" "$elsewhere/sources/target/plugin/release/$PLUGIN"
    fi
    export DIST_GZIP_LEVEL=1
    # Which plugin is packed does not matter: the packing is compared.
    [[ -x $plugin ]] || plugin=$(newest "$PLUGIN" target/plugin)
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

newest() {
    local file
    file=$(find "$2" -name "$1" -type f -perm -u+x -printf '%T@ %p\n' | sort -rn | head -n 1 | cut -d' ' -f2)
    [[ -n $file ]] || { echo "there is no $1 to pack below $2: build it first" >&2; exit 1; }
    realpath "$file"
}

# Packs by the scripts in a folder: pack SOURCES OUT.
pack() {
    local modules=$1/target/component
    python3 "$1/tests/tools/release/dist.py" --out "$2" pack --target "$CARGO_BUILD_TARGET" --plugin "$plugin" \
        --module "$modules/astra.wasm" --simulator "$simulator" --passwords "$modules/http-passwords.wasm"
    python3 "$1/tests/tools/release/dist.py" --out "$2" finish >/dev/null
}

same() {
    cmp "$1" "$2" || { echo "two builds of the same sources differ: ${1##*/}" >&2; exit 1; }
    echo "the same bytes: ${1##*/}"
}

main "$@"
