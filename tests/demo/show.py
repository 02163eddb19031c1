"""Makes the demo's output readable: show.py VIEW, from standard input to standard output.

table       what a program printed, with long lists and long lines cut; each cut says how much is missing
history     the history of one token, from `bao read -format=json astra/tokens/…`
candidates  the modules that a mount could run, from `bao read -format=json astra/module`
audit       one request and its response, from the lines of an audit log
"""

import json
import re
import sys
import textwrap

ROWS_MAX = 10  # rows of one table
WIDTH_MAX = 120  # characters of one line; a token of Astra still fits beside its name
HMAC_CHARACTERS = 8  # of an HMAC: enough to see that two are equal


def cut(line):
    """Shortens a line: a list of words says how many are missing, other text ends in `…`."""
    if len(line) <= WIDTH_MAX:
        return line
    words = re.match(r"(\S+ +)\[([^\[\]{}]+)\]$", line)
    if not words:
        return line[: WIDTH_MAX - 1] + "…"
    name, items = words[1], words[2].split(" ")
    shown = []
    while items and len(name) + len(" ".join([*shown, items[0]])) + len(" … and 9999 more") <= WIDTH_MAX:
        shown.append(items.pop(0))
    return f"{name}[{' '.join(shown)} … and {len(items)} more]"


def table(lines):
    """A list of keys is cut after ROWS_MAX rows; a table of names and values is short by itself."""
    is_list = lines[:2] == ["Keys", "----"]
    shown = lines[: ROWS_MAX + 2] if is_list else lines
    yield from map(cut, shown)
    if len(lines) > len(shown):
        yield f"… and {len(lines) - len(shown)} more"


def columns(header, rows):
    """Lines of text in columns; the last column wraps."""
    rows = [header, ["-" * len(name) for name in header], *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header) - 1)]
    left = sum(width + 4 for width in widths)
    for *cells, last in rows:
        line = "".join(cell.ljust(width + 4) for cell, width in zip(cells, widths))
        for part in textwrap.wrap(last, WIDTH_MAX - left):
            yield line + part
            line = " " * left


def history(lines):
    events = json.loads("\n".join(lines))["data"]["history"]
    rows = [[event["time"], event["event"], event["display_name"], event["remote_address"]] for event in events]
    return columns(["Time", "Event", "Display name", "Remote address"], rows)


def candidates(lines):
    def reason(module):
        # The sentence may name digests; their first characters tell them apart.
        return re.sub(r"\b([0-9a-f]{8})[0-9a-f]{56}\b", r"\1…", module["reason"] or "-")

    def state(module):
        if module["digest"] == status["digest"]:
            return "serves"
        return "acceptable" if module["acceptable"] else "refused"

    status = json.loads("\n".join(lines))["data"]
    rows = [[module["version"], module["origin"], state(module), reason(module)] for module in status["candidates"]]
    return columns(["Version", "Origin", "State", "Reason"], rows)


def audit(lines):
    def short(value):
        return re.sub(rf"(hmac-sha256:[0-9a-f]{{{HMAC_CHARACTERS}}})[0-9a-f]+", r"\1…", str(value))

    for entry in map(json.loads, lines):
        request, response = entry["request"], entry.get("response")
        yield f"{entry['type']} {request['id']}, {entry['time'][:19]}Z"
        yield f"    {request['operation']} {request['path']}"
        yield f"    by display name {entry['auth']['display_name']}, accessor {short(entry['auth']['accessor'])}"
        for name, value in (response or request)["data"].items():
            values = {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
            yield from (cut(f"    {name:<16}{short(part)}") for name, part in values.items())


for shown_line in globals()[sys.argv[1]](sys.stdin.read().splitlines()):
    print(shown_line)
