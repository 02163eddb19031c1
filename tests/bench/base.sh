#!/usr/bin/env bash
# Makes what this plugin is compared with, in target/base/bin/: base.sh [plugin] [floors]; without arguments, both.
#
#   plugin   the plugin of the commit with which the work on speed began
#   floors   two plugins without WebAssembly on the protocol crate of that commit (tests/bench/floors-base)
#
# Both are kept as they were: the sources come from git, and every version from a lock file. `PROFILE=dev` builds without
# optimisation, to try the bench. What is built already stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# The Makefile hides the repository from the builds of a release. This script takes sources out of it.
unset GIT_DIR

readonly COMMIT=2b8f4652a699ddb037a0a79be66f4bc13f70ac0f
readonly BASE=$PWD/target/base
readonly SOURCE=$BASE/source
readonly PLUGIN=vault-plugin-secrets-datastax-astra
readonly PROFILE=${PROFILE:-release}
case $PROFILE in
    release) readonly FOLDER=release TARGET=build ;;
    dev) readonly FOLDER=debug TARGET=plugin ;;
    *) echo "base.sh: PROFILE is \`$PROFILE\`; it may be \`release\` or \`dev\`" >&2; exit 64 ;;
esac

main() {
    local part
    for part in "$@"; do
        [[ $part == plugin || $part == floors ]] || { echo "usage: base.sh [plugin] [floors]" >&2; exit 64; }
    done
    unpack
    [[ $# -gt 0 ]] || set -- plugin floors
    mkdir -p "$BASE/bin/$FOLDER"
    for part in "$@"; do "make_$part"; done
}

unpack() {
    [[ $(cat "$BASE/unpacked" 2>/dev/null) == "$COMMIT" ]] && return
    if ! git cat-file -e "$COMMIT^{commit}" 2>/dev/null; then
        echo "base.sh: this clone has no commit $COMMIT, with which this plugin is compared." >&2
        echo "Fetch the whole history by 'git fetch --unshallow', then run this again; or name programs that were built" >&2
        echo "elsewhere by BASE_PLUGIN, FLOOR_ONE_READ and FLOOR_GO_CALLS." >&2
        exit 1
    fi
    rm -rf "$SOURCE"
    mkdir -p "$SOURCE"
    git archive "$COMMIT" | tar -x -C "$SOURCE"
    echo "$COMMIT" >"$BASE/unpacked"
}

make_plugin() {
    echo "building the plugin of ${COMMIT:0:7}: minutes the first time"
    # That commit builds for this machine's own system.
    as_then make --silent -C "$SOURCE" "$TARGET"
    place "$SOURCE/target/$FOLDER/$PLUGIN" "$PLUGIN"
}

make_floors() {
    echo "building the floor plugins of ${COMMIT:0:7}"
    (cd "$SOURCE" && as_then cargo build --quiet --locked --profile "$PROFILE" --target-dir "$SOURCE/target" \
        --manifest-path "$OLDPWD/tests/bench/floors-base/Cargo.toml")
    place "$SOURCE/target/$FOLDER/floor-one-read" floor-one-read
    place "$SOURCE/target/$FOLDER/floor-go-calls" floor-go-calls
}

# Runs a command without what this commit's Makefile sets for its own programs.
as_then() {
    env -u CARGO_BUILD_TARGET -u CARGO_TARGET_DIR -u CARGO_ENCODED_RUSTFLAGS -u RUSTC_WRAPPER -u RUSTFLAGS \
        -u MAKEFLAGS -u MAKELEVEL -u PROFILE "$@"
}

place() {
    install -m 0755 "$1" "$BASE/bin/$FOLDER/$2"
}

main "$@"
