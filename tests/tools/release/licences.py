"""The licence texts of all crates in a program, each text once."""

import re
from pathlib import Path

TEXTS = re.compile(r"(?i)^(licen[cs]e|copying|copyright|notice|unlicense)([-_.].*)?$")
RULE = "=" * 110


def third_party(title, crates):
    """One page: which crates, under which licence, then the texts with the crates that carry each."""
    foreign = [crate for crate in crates if not crate.is_ours]
    carriers = carriers_of_texts(foreign)
    lines = [title, "", "Crate, version, licence:", ""]
    lines += [f"  {crate.name} {crate.version}  {crate.licence}" for crate in foreign]
    for text, names in sorted(carriers.items(), key=lambda item: (item[1], item[0])):
        lines += ["", RULE, f"Of {', '.join(names)}:", "", text]
    return "\n".join(lines) + "\n"


def carriers_of_texts(crates):
    """Each text, and the crates in whose source package it lies. A crate without a text has the texts of a crate from the same
    repository."""
    carriers, texts = {}, {crate.purl: texts_in(crate.folder) for crate in crates}
    for crate in crates:
        for text in texts[crate.purl] or texts_of_neighbour(crate, crates, texts):
            carriers.setdefault(text, []).append(f"{crate.name} {crate.version}")
    return carriers


def texts_of_neighbour(crate, crates, texts):
    """Of a crate from the same repository, or from the same release of it: some crates do not say where they live."""
    for is_alike in (from_same_repository, from_same_release):
        for other in crates:
            if texts[other.purl] and is_alike(crate, other):
                return texts[other.purl]
    raise SystemExit(f"{crate.name} {crate.version} ({crate.licence}) carries no licence text, and no crate of its repository does")


def from_same_repository(crate, other):
    return bool(crate.repository) and home(other.repository) == home(crate.repository)


def from_same_release(crate, other):
    return (other.version, other.licence) == (crate.version, crate.licence)


def home(repository):
    """`https://github.com/owner/name/tree/main/part` and the like are all of one repository."""
    return "/".join(repository.removesuffix(".git").split("/")[:5])


def texts_in(folder):
    files = sorted(path for path in Path(folder).iterdir() if path.is_file() and TEXTS.match(path.name))
    return [normal(path.read_text(errors="replace")) for path in files]


def normal(text):
    return "\n".join(line.rstrip() for line in text.strip().splitlines())

