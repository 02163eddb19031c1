"""Puts the list of a program's crates into the program, in the form of `cargo auditable`: the section `.dep-v0` of an ELF file.

`cargo auditable` itself puts the path of its own program into what names the crates' symbols, so that a build in another folder has
other bytes. This adds the section to the finished program, after all that is there."""

import json
import struct
import zlib

SECTION = b".dep-v0\0"
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
PROGBITS = 1
ALIGNMENT = 8


def list_of(crates):
    """The list as its readers expect it: sorted, each dependency by its place."""
    ordered = sorted(crates, key=lambda crate: (crate.name, crate.version))
    place = {crate.purl: number for number, crate in enumerate(ordered)}
    packages = []
    for crate in ordered:
        package = {"name": crate.name, "version": crate.version, "source": "local" if crate.is_ours else "crates.io"}
        if crate.uses:
            package["dependencies"] = sorted(place[used] for used in crate.uses)
        if crate is crates[0]:
            package["root"] = True
        packages.append(package)
    return {"packages": packages}


def with_list(program, crates):
    """The program's bytes with the section."""
    packed = zlib.compress(json.dumps(list_of(crates), sort_keys=True).encode(), 9)
    return with_section(program, packed)


def with_section(program, content):
    head = list(HEADER.unpack_from(program))
    if not head[0].startswith(b"\x7fELF\x02\x01"):
        raise SystemExit("the program is no 64-bit little-endian ELF file")
    sections = sections_of(program)
    names_at = head[13]
    if SECTION in strings(program, sections[names_at]):
        raise SystemExit("the program has its list of crates already")
    names = strings(program, sections[names_at]) + SECTION
    result = bytearray(program)
    content_at, names_start = append(result, content), append(result, names)
    old = sections[names_at]
    sections[names_at] = (*old[:4], names_start, len(names), *old[6:])
    sections.append((len(names) - len(SECTION), PROGBITS, 0, 0, content_at, len(content), 0, 0, 1, 0))
    head[6] = append(result, b"".join(SECTION_HEADER.pack(*section) for section in sections))
    head[12] = len(sections)
    HEADER.pack_into(result, 0, *head)
    return bytes(result)


def crates_in(program):
    """The list that a program carries, or None."""
    sections = sections_of(program)
    names = strings(program, sections[HEADER.unpack_from(program)[13]])
    for section in sections:
        if names[section[0] :].startswith(SECTION):
            return json.loads(zlib.decompress(strings(program, section)))
    return None


def sections_of(program):
    head = HEADER.unpack_from(program)
    return [SECTION_HEADER.unpack_from(program, head[6] + number * head[11]) for number in range(head[12])]


def strings(program, section):
    return program[section[4] : section[4] + section[5]]


def append(result, data):
    result.extend(bytes(-len(result) % ALIGNMENT))
    start = len(result)
    result.extend(data)
    return start
