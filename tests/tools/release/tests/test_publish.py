"""What is published: signed files of the tag's own version, with the changelog's words. `gh` is a program of the test."""

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT / "tests/tools/release"))

import book

VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
STEM = f"vault-plugin-secrets-datastax-astra_{VERSION}"


class Publishing(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        dist = self.folder / "dist"
        dist.mkdir()
        files = [f"{STEM}_linux_amd64.tar.gz", f"{STEM}.intoto.jsonl", f"astra-{VERSION}.wasm", f"astra-{VERSION}_oci.tar"]
        for name in [*files, "vault-plugin-secrets-datastax-astra_2.9.9_linux_amd64.tar.gz", "astra.wasm"]:
            (dist / name).write_text(name)
        sums = (f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in files)
        (dist / f"{STEM}_SHA256SUMS").write_text("".join(sums))
        (dist / f"{STEM}_SHA256SUMS.sig").write_text("signature")
        changes = f"# Changelog\n\n## [{VERSION}] - 2026-01-01\n\n- News.\n\n## [2.0.0]\n\n- Old.\n"
        (self.folder / "CHANGELOG.md").write_text(changes)
        gh = self.folder / "gh"
        gh.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\ncat\n')
        gh.chmod(0o755)

    def publish(self, tag):
        path = f"{self.folder}:{os.environ['PATH']}"
        told = {"PATH": path, "DIST": self.folder / "dist", "CHANGELOG": self.folder / "CHANGELOG.md"}
        command = ["bash", ROOT / "tests/tools/release/publish.sh", tag]
        return subprocess.run(command, env=os.environ | told, capture_output=True, text=True)

    def test_the_files_of_the_version_and_its_changes_are_published(self):
        done = self.publish(f"v{VERSION}")
        self.assertEqual(done.returncode, 0, done.stderr)
        names = sorted(line.rsplit("/", 1)[-1] for line in done.stdout.splitlines() if "/dist/" in line)
        linux = [f"{STEM}.intoto.jsonl", f"{STEM}_SHA256SUMS", f"{STEM}_SHA256SUMS.sig", f"{STEM}_linux_amd64.tar.gz"]
        self.assertEqual(names, sorted([f"astra-{VERSION}.wasm", f"astra-{VERSION}_oci.tar", *linux]))
        self.assertIn("- News.", done.stdout)
        self.assertNotIn("Old", done.stdout)

    def test_a_tag_of_another_version_publishes_nothing(self):
        done = self.publish("v9.9.9")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("v9.9.9", done.stderr)

    def test_files_without_a_signature_or_with_another_sum_are_not_published(self):
        (self.folder / "dist" / f"astra-{VERSION}.wasm").write_text("changed")
        self.assertNotEqual(self.publish(f"v{VERSION}").returncode, 0)
        (self.folder / "dist" / f"{STEM}_SHA256SUMS.sig").unlink()
        self.assertIn("is not signed", self.publish(f"v{VERSION}").stderr)

    def test_a_version_that_the_changelog_lacks_is_not_published(self):
        (self.folder / "CHANGELOG.md").write_text("# Changelog\n")
        self.assertIn(f"no section [{VERSION}]", self.publish(f"v{VERSION}").stderr)


class Links(unittest.TestCase):
    PAGES = {"docs/a.md": "a.md", "README.md": "introduction.md"}

    def test_links_lead_to_pages_to_the_sources_or_are_text(self):
        text = "[here](#x) [out](https://host/) [page](../README.md#y) [file](../Makefile)"
        os.environ.pop("SOURCE", None)
        self.assertEqual(book.rewritten(text, "docs/a.md", self.PAGES), "[here](#x) [out](https://host/) [page](introduction.md#y) file")
        os.environ["SOURCE"] = "https://host/repo"
        self.addCleanup(os.environ.pop, "SOURCE")
        self.assertIn("[file](https://host/repo/blob/main/Makefile)", book.rewritten(text, "docs/a.md", self.PAGES))

    def test_a_link_to_nowhere_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            site = Path(folder)
            (site / "a.html").write_text('<h1 id="top"></h1><a href="#top"></a><a href="b.html#low"></a><a href="c.html"></a>')
            (site / "b.html").write_text('<a href="a.html#top"></a>')
            self.assertEqual(book.dead_links(site), ["a.html: b.html#low", "a.html: c.html"])


if __name__ == "__main__":
    unittest.main()
