#!/usr/bin/env python3
"""Makes a site of the documents by mdBook, and checks that each link of the site leads to a place in it: book.py FOLDER

`docs/SUMMARY.md` names the pages, of which some lie outside docs/. A link to another file of the repository leads to SOURCE, where the
sources are published, if that variable is set; else its text stays without a link."""

import html.parser
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")


def main():
    site = Path(sys.argv[1])
    build(site)
    dead = dead_links(site)
    if dead:
        raise SystemExit("links of the site that lead nowhere:\n" + "\n".join(dead))


def build(site):
    summary = (ROOT / "docs/SUMMARY.md").read_text()
    pages = {normal("docs", target): page_name(target) for _, target in LINK.findall(summary)}
    pages["docs/SUMMARY.md"] = "SUMMARY.md"
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder) / "src"
        sources.mkdir()
        for path, page in pages.items():
            (sources / page).write_text(rewritten((ROOT / path).read_text(), path, pages))
        shutil.copy(ROOT / "tests/tools/release/book.toml", folder)
        shutil.rmtree(site, ignore_errors=True)
        command = [ROOT / "target/tools/mdbook", "build", folder, "--dest-dir", site.resolve()]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)


def page_name(target):
    """All pages lie side by side, and keep their names but those of folders' own pages."""
    path = normal("docs", target)
    return {"README.md": "introduction.md", "examples/README.md": "examples.md"}.get(path, posixpath.basename(path))


def normal(folder, target):
    return posixpath.normpath(posixpath.join(folder, target))


def rewritten(text, path, pages):
    """The page with links to pages, to the published sources, or without links."""

    def link(found):
        words, (target, _, anchor) = found[1], found[2].partition("#")
        if ":" in target or not target:
            return found[0]
        linked = normal(posixpath.dirname(path), target)
        if linked in pages:
            return f"[{words}]({pages[linked]}{'#' + anchor if anchor else ''})"
        if source := os.environ.get("SOURCE"):
            return f"[{words}]({source}/blob/main/{linked})"
        return words

    return LINK.sub(link, text)


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.ids, self.links = set(), []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        told = dict(attributes)
        self.ids.add(told.get("id"))
        if tag == "a" and told.get("href"):
            self.links.append(told["href"])


def dead_links(site):
    pages = {path.name: Page(path) for path in site.glob("*.html") if path.name not in ("404.html", "toc.html", "print.html")}
    dead = []
    for name, page in pages.items():
        for link in page.links:
            target, _, anchor = link.partition("#")
            if ":" in target or target.startswith("print"):
                continue
            linked = pages.get(target or name)
            if not linked or (anchor and anchor not in linked.ids):
                dead.append(f"{name}: {link}")
    return dead


if __name__ == "__main__":
    main()
