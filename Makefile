# The only entry point: `make help` lists what there is. Everything built or fetched goes to target/ and dist/.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Steps share cargo's build folder and its lock, so running them side by side gains nothing; cargo itself uses all cores.
.NOTPARALLEL:
MAKEFLAGS += --no-builtin-rules

PLUGIN := vault-plugin-secrets-datastax-astra
# `release` for what is used or measured, `dev` for what is tested (see the lines below `plugin`).
PROFILE := dev
PROFILE_DIR = $(if $(filter release,$(PROFILE)),release,debug)
# Cargo's own word for where it builds; the component, the finished plugin and the tools are always in target/.
BUILT = $(or $(CARGO_TARGET_DIR),target)/$(CARGO_BUILD_TARGET)/$(PROFILE_DIR)
FINISHED = target/plugin/$(PROFILE_DIR)$(FOREIGN)
# The crates that build for wasm only, and all that is built for wasm and is not the engine.
WASM_ONLY := astra-component rogue-components toy-engines
GUESTS := engine-component http-passwords $(WASM_ONLY)
# Sources on a crate that only `make bench-base` unpacks, without which cargo reads their manifest in vain.
FLOORS := --edition 2024 $(wildcard tests/bench/floors-base/src/*.rs tests/bench/floors-base/src/*/*.rs)
NATIVE := --workspace $(WASM_ONLY:%=--exclude %)

# The processor that native programs are built for. Another one than this machine's is for `make dist` only.
MACHINE := $(shell uname -m)
ARCH := $(MACHINE)
FOREIGN := $(addprefix -,$(ARCH:$(MACHINE)=))
# A program that runs programs for ARCH. The plugin reserves as much address space as there is, and an emulator may keep an
# account of each page of it (QEMU before version 8 does): 200 GiB are enough.
EMULATOR := $(if $(FOREIGN),$(if $(RUNNER),,target/tools/qemu-$(ARCH)))
RUNNER := $(if $(EMULATOR),$(EMULATOR) -R 200G,$(RUNNER))
$(if $(RUNNER),$(if $(EMULATOR)$(shell command -v -- $(firstword $(RUNNER))),,$(error RUNNER names no program that can be run)))
TARGET_FILE := target/tools/target$(FOREIGN).mk
# For which target all native programs are built, and with which C compiler. Goals that only print, remove or unpack need no Rust.
ifneq ($(if $(FROM),,$(filter-out help clean docs publish,$(or $(MAKECMDGOALS),help))),)
include $(TARGET_FILE)
endif
# The plugin of the tests has the features of the tests' own build, or cargo would compile wasmtime twice. `--examples` makes cargo
# switch on the features that dependencies of tests need; there are few examples. The released plugin has its own features only.
PLUGIN_PACKAGES = $(if $(filter release,$(PROFILE)),-p plugin-host,$(NATIVE) --examples)
# A release has the same bytes whatever the names of the folders are in which it is built. GIT_DIR hides every repository: where
# cargo's folder lies in one, a build script of cranelift would write the commit of that repository into the program.
REMAPPED = $(if $(filter release,$(PROFILE)),GIT_DIR=/dev/null RUSTC_WRAPPER="$(CURDIR)/tests/tools/release/rustc.sh" CARGO_ENCODED_RUSTFLAGS=--cfg=remapped)

# A `bao` or a `vault` of your own is taken as it is; else the pinned `bao` is fetched.
ifdef BAO_BIN
BAO_READY :=
override BAO_BIN := $(shell realpath -- "$$(command -v -- "$(BAO_BIN)")")
$(if $(BAO_BIN),,$(error BAO_BIN names no program that can be run))
else
BAO_READY := target/tools/bao
BAO_BIN := $(CURDIR)/target/tools/bao
endif
export BAO_BIN
# A browser of your own is taken as it is, too.
CHROMIUM_READY := $(if $(CHROMIUM_BIN),,target/tools/chromium)
TEST_TOOLS := $(BAO_READY) $(CHROMIUM_READY) $(addprefix target/tools/,hvac examples java javascript mdbook oras python zizmor)

.PHONY: help tools toolchain component rogue plugin simulator build dist dist-check publish docs test lint fmt deny demo dev bench bench-base bless clean ci

help: ## print this list
	@echo "make TARGET, where TARGET is one of:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' Makefile

ifdef FROM
demo: $(BAO_READY) ## the main job from nothing: a token made, used, renewed, revoked; the engine updated while requests run
	@rm -rf target/demo && mkdir -p target/demo && tar -xzf "$(FROM)" -C target/demo --strip-components=1
	@target/demo/demo
else
demo: build simulator $(BAO_READY)
	@PLUGIN_BIN="dist/$(PLUGIN)" SIMULATOR_BIN="$(BUILT)/astra-simulator" MODULE_WASM=dist/astra.wasm \
	    PASSWORDS_WASM=target/component/http-passwords.wasm bash tests/demo/demo.sh
endif

dev: build simulator $(BAO_READY) ## the demo's set-up left running, with the lines to paste in another terminal
	@PLUGIN_BIN="dist/$(PLUGIN)" SIMULATOR_BIN="$(BUILT)/astra-simulator" bash tests/demo/dev.sh

build: plugin ## what an operator needs, in dist/: the plugin binary, the component, their SHA-256 sums
	@mkdir -p dist
	@install -m 0755 "$(FINISHED)/$(PLUGIN)" dist/
	@install -m 0644 target/component/astra.wasm dist/
	@cd dist && sha256sum $(PLUGIN) astra.wasm | tee SHA256SUMS

test: lint deny rogue plugin $(TEST_TOOLS) ## everything that proves the project, on a real server too: OpenBao, or BAO_BIN=/path/to/vault
	@bash tests/tools/run-tests.sh $(NATIVE)

lint: component ## formatting and clippy, warnings are errors
	cargo fmt --all --check
	cargo clippy $(NATIVE) --all-targets -- -D warnings
	@bash tests/tools/lint-guests.sh $(GUESTS)
	cargo fmt --check --manifest-path guest/template/Cargo.toml
	rustfmt --check $(FLOORS)
	CARGO_TARGET_DIR="$(or $(CARGO_TARGET_DIR),target)" cargo clippy --manifest-path guest/template/Cargo.toml --all-targets -- -D warnings

fmt: toolchain ## format the code
	cargo fmt --all
	cargo fmt --manifest-path guest/template/Cargo.toml
	rustfmt $(FLOORS)

deny: toolchain target/tools/cargo-deny ## check licences, sources and bans of all dependencies, and advisories where they can be reached
	@bash tests/tools/deny.sh $(ADVISORIES)

component: toolchain ## the engines as WebAssembly components, in target/component/
	$(if $(FOREIGN),env -u CARGO_BUILD_TARGET) bash guest/build-wasm.sh
	$(if $(FOREIGN),env -u CARGO_BUILD_TARGET) bash guest/build-wasm.sh engine guest/http-passwords target/component/http-passwords.wasm

rogue: toolchain ## the guests that the tests run, hostile ones and toys, in target/component/{rogue,toy}/
	bash guest/build-wasm.sh rogue

plugin: component | $(EMULATOR) ## the plugin binary as the tests use it (development profile), in target/plugin/
	@echo "building the plugin with its WebAssembly compiler: minutes the first time"
	$(REMAPPED) cargo build --profile $(PROFILE) $(PLUGIN_PACKAGES) --bin $(PLUGIN)
	@# The program compiles its component and writes itself anew with the code in its slot; what is finished already stays.
	@mkdir -p $(FINISHED)
	@[[ "$(FINISHED)/$(PLUGIN)" -nt "$(BUILT)/$(PLUGIN)" ]] || $(RUNNER) "$(BUILT)/$(PLUGIN)" fill-code-slot "$(FINISHED)/$(PLUGIN)"

simulator:
	@$(REMAPPED) cargo build --quiet --profile $(PROFILE) -p astra-simulator

build demo dev bench dist: PROFILE := release

# Who made the release, where its sources are, and the keys that sign the module (a file of `module keygen`) and the sums (a file
# in PEM, or `env:NAME` of a variable). Without keys the files are not signed.
BUILDER := urn:local:make-dist
SOURCE :=
MODULE_KEY :=
KEY :=

dist: plugin simulator ## the files of a release, in dist/: archives, images, bill of materials, provenance, sums; see docs/releasing.md
	@python3 tests/tools/release/dist.py pack --target "$(CARGO_BUILD_TARGET)" --plugin "$(FINISHED)/$(PLUGIN)" \
	    --module target/component/astra.wasm --simulator "$(BUILT)/astra-simulator" --runner "$(RUNNER)" \
	    --passwords target/component/http-passwords.wasm \
	    $(if $(MODULE_KEY),--module-key "$(MODULE_KEY)")
	@python3 tests/tools/release/dist.py finish --builder "$(BUILDER)" --source "$(SOURCE)" $(if $(KEY),--key "$(KEY)")

dist-check: component ## build the module again elsewhere, pack twice, compare the bytes; ALSO=simulator and FULL=1 build native programs twice
	@bash tests/tools/release/check.sh $(if $(FULL),full,$(ALSO))

publish: ## publish what `make dist` made as a release of GitHub, by `gh`: make publish TAG=v3.0.0
	@bash tests/tools/release/publish.sh "$(TAG)"

docs: target/tools/mdbook ## the documents as a site, in target/site/
	@python3 tests/tools/release/book.py "$(CURDIR)/target/site"

bench: build rogue $(BAO_READY) target/tools/javascript target/tools/python ## speed and memory, as a table, against the server's own engines (ONLY="seal floods" measures a part)
	@# With the flags of the plugin's build, so that no crate is compiled twice.
	@$(REMAPPED) bash tests/bench/bench.sh $(ONLY)

bench-base: toolchain ## build what `make bench` compares this plugin with: the plugin and two floors of an earlier commit
	@bash tests/bench/base.sh

bless: component rogue plugin $(TEST_TOOLS) ## rewrite snapshots and generated files; look at the diff before you commit it
	UPDATE_GEN=1 INSTA_UPDATE=always cargo test $(NATIVE) --no-fail-fast

tools: target/tools/cargo-deny $(TEST_TOOLS) ## fetch the pinned OpenBao and the other tools of the tests (BAO_BIN names a `bao` or a `vault` of your own)

target/tools/bao: tests/tools/openbao.txt
	@bash tests/tools/fetch.sh bao target/tools

target/tools/cargo-deny: tests/tools/cargo-deny.txt | toolchain
	@bash tests/tools/fetch.sh cargo-deny target/tools

target/tools/chromium: tests/tools/chromium.txt
	@bash tests/tools/fetch.sh chromium target/tools

# What makes the site of the documents, and what reads the pipelines for known mistakes.
target/tools/mdbook target/tools/zizmor: target/tools/%: tests/tools/%.txt
	@bash tests/tools/fetch.sh $* target/tools

target/tools/qemu-%:
	@bash tests/tools/fetch.sh qemu-$* target/tools

# What makes modules of JavaScript.
target/tools/javascript: guest/javascript/template/package-lock.json tests/tools/node.txt
	@bash tests/tools/fetch.sh javascript target/tools

# What makes modules of Python.
target/tools/python: guest/python/template/requirements.txt
	@bash tests/tools/fetch.sh python target/tools

# Made before all else that is built.
$(TARGET_FILE): tests/tools/static-target.sh tests/tools/fetch.sh tests/tools/zig.txt | toolchain
	@bash tests/tools/static-target.sh $@ $(ARCH)

# Python's client libraries of the server and of OCI registries, and what the examples use, each in a virtual environment.
target/tools/java: tests/tools/jars.txt
target/tools/hvac target/tools/examples target/tools/java target/tools/oras: target/tools/%: tests/tools/%.txt
	@bash tests/tools/fetch.sh $* target/tools

toolchain:
	@cargo --version >/dev/null 2>&1 || bash tests/tools/install-toolchain.sh

clean: ## remove all that was built and fetched
	rm -rf target dist

ci: ## what continuous integration runs
	bash .ci/run
