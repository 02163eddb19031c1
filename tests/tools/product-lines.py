#!/usr/bin/env python3
"""Counts product code: the lines of Rust in guest/ and host/ that are not blank, not a comment, not a test and not
generated. Prints the total, and the count of each crate. Run from anywhere."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Files and folders that hold tests, helpers of tests, or generated code.
LEFT_OUT = re.compile(r"(^|/)(tests?|testing|benches|gen)(/|\.rs$)|_tests?\.rs$|(^|/)(test_mount|round_trips)\.rs$")
# String and character literals are kept, so that comment signs in them count as code.
LITERAL_OR_COMMENT = re.compile(
    r"""(?P<keep>r(?P<h>\#*)".*?"(?P=h)|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])')|//[^\n]*|/\*.*?\*/""", re.S
)
TEST_ITEM = re.compile(r"#\[cfg\((?:test|all\(test[^]]*)\)\]")


def without_tests(text):
    """Drops each item below `#[cfg(test)]`: up to its semicolon or the brace that closes it."""
    while found := TEST_ITEM.search(text):
        depth, end = 0, found.end()
        for end in range(found.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0 and text[end] in ";}":
                break
        text = text[: found.start()] + text[end + 1 :]
    return text


def product_lines(path):
    text = LITERAL_OR_COMMENT.sub(lambda found: found["keep"] or "", path.read_text())
    return sum(1 for line in without_tests(text).splitlines() if line.strip())


def main():
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "guest", "host"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    crates = {}
    for name in names:
        if name.endswith(".rs") and not LEFT_OUT.search(name) and (ROOT / name).is_file():
            crate = "/".join(name.split("/")[:2])
            crates[crate] = crates.get(crate, 0) + product_lines(ROOT / name)
    for crate, lines in sorted(crates.items()):
        print(f"{lines:7} {crate}")
    print(f"{sum(crates.values()):7} total")


if __name__ == "__main__":
    main()
