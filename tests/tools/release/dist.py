#!/usr/bin/env python3
"""Makes the files of a release: `pack` for each target, then `finish` for all of them. `make dist` calls both.

Needs Python 3.11, cargo for the lists of crates, git for the time of the release, and openssl where a key is given."""

import argparse
import hashlib
import json
import os
import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

import carried
import licences
import oci
import provenance
import sbom
import signing
from archive import Entry, member, tar_gz
from crates import crates_of, musl_version, toolchain

ROOT = Path(__file__).resolve().parents[3]
NAME = "vault-plugin-secrets-datastax-astra"
MODULE_TARGET = "wasm32-unknown-unknown"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
LICENCE_FILES = ("LICENSE", "NOTICE", "THIRD-PARTY-LICENSES.txt", "RUST-LIBRARY-LICENSES.html")
LINKED_LICENCES = {"rust-std": "MIT OR Apache-2.0", "musl": "MIT"}


def main():
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    options.run(options)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    commands = parser.add_subparsers(required=True)
    packing = commands.add_parser("pack", help="archives and bill of materials of one target")
    packing.add_argument("--target", required=True)
    packing.add_argument("--plugin", type=Path, required=True)
    packing.add_argument("--module", type=Path, required=True)
    packing.add_argument("--simulator", type=Path, required=True)
    packing.add_argument("--passwords", type=Path, required=True, help="the second engine of the demo, http-passwords, as a module")
    packing.add_argument("--module-key", help="a private key of `module keygen`, or env:NAME of a variable that holds one")
    packing.add_argument("--runner", default="", help="a program that runs programs of the target, where this machine cannot")
    packing.set_defaults(run=pack)
    finishing = commands.add_parser("finish", help="images, provenance and sums of everything that was packed")
    finishing.add_argument("--key", help="a private key in PEM, or env:NAME of a variable that holds one")
    finishing.add_argument("--source", default="", help="where the sources are published")
    finishing.add_argument("--builder", default="urn:local:make-dist", help="who built it, as a URI")
    finishing.set_defaults(run=finish)
    return parser.parse_args()


# ------------------------------------------------------------------------------------------------------------ one target


def pack(options):
    architecture = architecture_of(options.target)
    stem = f"{NAME}_{version()}_linux_{architecture}"
    for old in options.out.glob(f"{stem}*"):
        old.unlink()
    host = crates_of(ROOT, "plugin-host", options.target)
    guest = crates_of(ROOT, "astra-component", MODULE_TARGET)
    plugin = carried.with_list(options.plugin.read_bytes(), host)
    module = options.module.read_bytes()
    rust, rust_licences, sysroot = toolchain(ROOT)
    linked = [("rust-std", rust, LINKED_LICENCES["rust-std"])]
    if musl := musl_version(sysroot, options.target):
        linked.append(("musl", musl, LINKED_LICENCES["musl"]))
    bill = sbom.bill(NAME, version(), sha256(plugin), sha256(module), host, guest, linked, epoch())
    (options.out / f"{stem}.cdx.json").write_text(bill)
    module_files = write_module(options, module)
    common = [
        Entry(NAME, plugin, 0o755),
        Entry(module_name(), module),
        *[Entry(name, ROOT / name) for name in ("LICENSE", "NOTICE", "CHANGELOG.md")],
        Entry("RUST-LIBRARY-LICENSES.html", rust_licences),
    ]
    third_party = licences.third_party(f"Crates in {NAME} {version()}", each_once(host, guest))
    tar_gz(
        options.out / f"{stem}.tar.gz",
        stem,
        [*common, *module_files, Entry("THIRD-PARTY-LICENSES.txt", third_party.encode()), Entry("sbom.cdx.json", bill.encode())],
        epoch(),
    )
    # What `plugin register -sha256=` takes.
    (options.out / f"{stem}.sha256").write_text(f"{sha256(plugin)}  {NAME}\n")
    pack_demo(options, f"{stem}-demo", common, [*host, *guest])


def pack_demo(options, stem, common, crates):
    """All that the demo needs but a server: simulator and second engine are in no other archive."""
    simulator = crates_of(ROOT, "astra-simulator", options.target)
    passwords = crates_of(ROOT, "http-passwords", MODULE_TARGET)
    texts = licences.third_party(f"Crates in the demo of {NAME} {version()}", each_once(crates, simulator, passwords))
    scripts = ["demo.sh", "dev.sh", "lib.sh", "modules.sh", "passwords.sh", "show.py", "ask.py", "users.py"]
    entries = [
        *common,
        Entry("astra-simulator", carried.with_list(options.simulator.read_bytes(), simulator), 0o755),
        Entry("http-passwords.wasm", options.passwords),
        Entry("demo", ROOT / "tests/tools/release/demo", 0o755),
        *[Entry(f"scripts/{name}", ROOT / "tests/demo" / name) for name in scripts],
        *[Entry(f"tools/{name}", ROOT / "tests/tools" / name) for name in ("fetch.sh", "openbao.txt")],
        Entry("THIRD-PARTY-LICENSES.txt", texts.encode()),
    ]
    tar_gz(options.out / f"{stem}.tar.gz", stem, entries, epoch())


def write_module(options, module):
    """The module under the name that `module sign` wants, and its signature where there is a key."""
    name = module_name()
    path, signature = options.out / name, options.out / f"{name}.sig"
    path.write_bytes(module)
    signature.unlink(missing_ok=True)
    if not options.module_key:
        return []
    with tempfile.NamedTemporaryFile() as key:
        # Of the owner only, and gone with the block; `module sign` reads files.
        key.write(signing.key_text(options.module_key))
        key.flush()
        program = [*options.runner.split(), options.plugin.resolve()]
        subprocess.run([*program, "module", "sign", "--key", key.name, path], check=True, stdout=subprocess.DEVNULL)
    return [Entry(signature.name, signature)]


def each_once(*lists):
    """Each crate once, in the order of its name."""
    once = {crate.purl: crate for crates in lists for crate in crates}
    return sorted(once.values(), key=lambda crate: (crate.name, crate.version))


def architecture_of(target):
    processor = target.split("-")[0]
    if processor not in ARCHITECTURES or "-linux-" not in target:
        raise SystemExit(f"--target {target}: a release is for Linux on {' or '.join(ARCHITECTURES)}")
    return ARCHITECTURES[processor]


# ---------------------------------------------------------------------------------------------------------- all targets


def finish(options):
    archives = [path for path in released(options.out) if re.fullmatch(r".*_linux_[a-z0-9]+\.tar\.gz", path.name)]
    if not archives:
        raise SystemExit(f"{options.out} holds no archive of version {version()}: `pack` comes first")
    modules = {sha256(member(path, module_name())) for path in archives}
    if len(modules) != 1:
        raise SystemExit(f"the archives in {options.out} hold different modules, so they are of different builds: remove the old ones")
    write_images(options, archives)
    files = released(options.out)
    sign = signing.signer(options.key)
    statement = provenance.statement(
        [(path.name, {"sha256": sha256(path.read_bytes())}) for path in files],
        {"version": version(), "targets": [path.name.split("_linux_")[1].split(".")[0] for path in archives]},
        dependencies(options.source),
        options.builder,
    )
    proof = options.out / f"{NAME}_{version()}.intoto.jsonl"
    proof.write_text(provenance.envelope(statement, sign))
    sums = options.out / f"{NAME}_{version()}_SHA256SUMS"
    lines = [f"{sha256(path.read_bytes())}  {path.name}\n" for path in sorted([*files, proof])]
    sums.write_text("".join(lines))
    for old in (".sig", ".sigstore.json"):
        sums.with_name(sums.name + old).unlink(missing_ok=True)
    if options.key:
        signing.write_signature(options.key, sums)
        (options.out / f"{NAME}_{version()}.pub").write_bytes(signing.public(options.key))
    print("".join(lines), end="")


def write_images(options, archives):
    annotations = {
        "org.opencontainers.image.title": NAME,
        "org.opencontainers.image.version": version(),
        "org.opencontainers.image.revision": revision(),
        "org.opencontainers.image.licenses": "Apache-2.0",
    }
    if options.source:
        annotations["org.opencontainers.image.source"] = options.source
    layout = oci.Layout(epoch())
    images = []
    for path in archives:
        texts = [Entry(f"licenses/{name}", member(path, name)) for name in LICENCE_FILES]
        architecture = path.name.split("_linux_")[1].split(".")[0]
        images.append(layout.image(architecture, [Entry(NAME, member(path, NAME), 0o755), *texts], f"/{NAME}", annotations))
    tag = f"v{version()}"
    (options.out / f"{NAME}_{version()}_oci.tar").write_bytes(layout.pack({tag: layout.index(images, annotations)}))
    (options.out / f"astra-{version()}_oci.tar").write_bytes(module_layout(archives, tag, annotations))


def module_layout(archives, tag, annotations):
    """The module, and its signature where there is one, by the tag with `.sig`: for clients that list no referrers."""
    name = module_name()
    exports, imports = interfaces(archives)
    layout = oci.Layout(epoch())
    annotations = annotations | {oci.TITLE: name}
    tagged = {tag: layout.wasm(name, member(archives[0], name), exports, imports, annotations)}
    if signature := member(archives[0], f"{name}.sig"):
        annotations = annotations | {oci.TITLE: f"{name}.sig"}
        tagged[f"{tag}.sig"] = layout.signatures(f"{name}.sig", signature, tagged[tag], annotations)
    return layout.pack(tagged)


def interfaces(archives):
    """What the module exports and imports, as the plugin of this machine reads it out of the module that it carries."""
    mine = [path for path in archives if f"_linux_{ARCHITECTURES.get(os.uname().machine)}." in path.name]
    if not mine:
        raise SystemExit("finish needs the archive of this machine's own architecture, whose plugin tells the module's interfaces")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / NAME
        program.write_bytes(member(mine[0], NAME))
        program.chmod(0o755)
        inspect = [program, "module", "inspect", "--format=json", "embedded"]
        facts = json.loads(subprocess.run(inspect, check=True, capture_output=True).stdout)
    return facts["exports"], facts["imports"]


def dependencies(source):
    """The commit, and all that the lock file and the toolchain file pin."""
    where = f"git+{source}" if source else "git+unpublished"
    pinned = ["Cargo.lock", "rust-toolchain.toml", "tests/tools/zig.txt"]
    files = [(f"{where}#{name}", {"sha256": sha256((ROOT / name).read_bytes())}) for name in pinned]
    return [(where, {"gitCommit": revision()}), *files]


def released(folder):
    """The files of this version that are no sum, no proof and no signature of those."""
    ours = [path for start in (f"{NAME}_", "astra-") for path in folder.glob(f"{start}{version()}*")]
    papers = (".intoto.jsonl", "_SHA256SUMS", "_SHA256SUMS.sig", "_SHA256SUMS.sigstore.json", ".pub")
    return sorted(path for path in ours if not path.name.endswith(papers))


def module_name():
    """The name under which a directory of modules takes the module, and by which `module verify` finds its signature."""
    return f"astra-{version()}.wasm"


def version():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def epoch():
    """The time of the release: that of its commit, so that whoever builds the commit has the same."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))


def revision():
    return git("rev-parse", "HEAD")


def git(*words):
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
