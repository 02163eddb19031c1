"""The crates whose code is in a program, with licences and sums, as Cargo itself resolves them for the program's target."""

import json
import re
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Crate:
    name: str
    version: str
    licence: str
    repository: str
    checksum: str
    folder: Path
    is_ours: bool
    uses: list = field(default_factory=list)

    @property
    def purl(self):
        return f"pkg:cargo/{self.name}@{self.version}"


def crates_of(root, program, target):
    """All crates in a program, the program's own first, then by name and version."""
    built = names_in_tree(cargo(root, "tree", "-p", program, "--target", target, "-e", "normal,no-proc-macro", "--prefix", "none"))
    metadata = json.loads(cargo(root, "metadata", "--format-version", "1", "--filter-platform", target))
    sums = checksums(root)
    found, by_id = {}, {}
    for package in metadata["packages"]:
        key = (package["name"], package["version"])
        if key in built:
            found[key] = by_id[package["id"]] = crate_of(package, sums.get(key, ""))
    missing = built - found.keys()
    if missing:
        raise SystemExit(f"cargo metadata lacks crates that cargo tree names: {sorted(missing)}")
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in by_id:
            normal = [used["pkg"] for used in node["deps"] if any(kind["kind"] is None for kind in used["dep_kinds"])]
            by_id[node["id"]].uses = sorted({by_id[used].purl for used in normal if used in by_id})
    return sorted(found.values(), key=lambda crate: (crate.name != program, crate.name, crate.version))


def names_in_tree(text):
    """`serde v1.0.229 (*)` and the like, a line for each crate."""
    lines = (re.match(r"(\S+) v(\S+)", line) for line in text.splitlines())
    return {(line[1], line[2]) for line in lines if line}


def crate_of(package, checksum):
    if not package["license"]:
        raise SystemExit(f"{package['name']} {package['version']} names no licence")
    return Crate(
        name=package["name"],
        version=package["version"],
        # The old form `MIT/Apache-2.0` is no SPDX expression.
        licence=" ".join(package["license"].replace("/", " OR ").split()),
        repository=package["repository"] or "",
        checksum=checksum,
        folder=Path(package["manifest_path"]).parent,
        is_ours=package["source"] is None,
    )


def checksums(root):
    """The SHA-256 of each crate's source package, from the lock file."""
    locked = tomllib.loads((Path(root) / "Cargo.lock").read_text())
    return {(one["name"], one["version"]): one["checksum"] for one in locked["package"] if "checksum" in one}


def cargo(root, *arguments):
    done = subprocess.run(["cargo", *arguments, "--locked"], cwd=root, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"cargo {' '.join(arguments)} failed: {done.stderr}")
    return done.stdout


def toolchain(root):
    """What the compiler adds: its version, its licence page, and the version of musl that it links."""
    version = re.search(r"^release: (\S+)", run(root, "rustc", "-vV"), re.M)[1]
    sysroot = Path(run(root, "rustc", "--print", "sysroot").strip())
    return version, sysroot / "share/doc/rust/COPYRIGHT-library.html", sysroot


def musl_version(sysroot, target):
    library = sysroot / "lib/rustlib" / target / "lib/self-contained/libc.a"
    found = set(re.findall(rb"\0(1\.\d+\.\d+)\0", library.read_bytes())) if library.is_file() else set()
    return found.pop().decode() if len(found) == 1 else None


def run(root, *command):
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
