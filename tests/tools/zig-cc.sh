#!/usr/bin/env bash
# A C compiler for the static program: zig-cc.sh ARGUMENT…, which are those of gcc or clang.
set -euo pipefail

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../target/tools" && pwd)
export ZIG_GLOBAL_CACHE_DIR="$tools/zig-cache" ZIG_LOCAL_CACHE_DIR="$tools/zig-cache"

# A library in C writes `__DATE__` and `__TIME__` into its messages: two builds would have other bytes.
export SOURCE_DATE_EPOCH=0

# Rust's build scripts name the target in Rust's words, which Zig does not know.
arguments=()
for argument in "$@"; do
    [[ $argument == --target=* ]] || arguments+=("$argument")
done

# Zig checks undefined behaviour by default and expects its own runtime for it.
exec "$tools/zig/ziglang/zig" cc -target "${ZIG_CC_PROCESSOR:-$(uname -m)}-linux-musl" -fno-sanitize=undefined "${arguments[@]}"
