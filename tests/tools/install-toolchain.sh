#!/usr/bin/env bash
# Installs the toolchain that rust-toolchain.toml pins, where rustup has not done so by itself.
set -euo pipefail

command -v rustup >/dev/null || {
    echo "cargo does not run, and there is no rustup to install the toolchain with: see rustup.rs" >&2
    exit 1
}
channel=$(sed -nE 's/^channel = "(.*)"$/\1/p' rust-toolchain.toml)
echo "installing Rust $channel, once" >&2
rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt
cargo --version
