"""The papers of a release: bill of materials, licences, the list in the program, provenance, signatures."""

import base64
import hashlib
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import carried
import crates
import licences
import provenance
import sbom
import signing
from crates import Crate


def crate(name, version="1.0.0", uses=(), **more):
    told = {"licence": "MIT", "repository": "https://host/owner/repo", "checksum": "ab" * 32, "folder": Path(), "is_ours": False}
    return Crate(name, version, uses=[f"pkg:cargo/{used}@1.0.0" for used in uses], **(told | more))


class Bill(unittest.TestCase):
    def bill(self):
        host = [crate("host", uses=["shared"], is_ours=True, checksum=""), crate("shared")]
        guest = [crate("guest", uses=["shared"], is_ours=True, checksum=""), crate("shared")]
        return sbom.bill("plugin", "3.0.0", "11" * 32, "22" * 32, host, guest, [("musl", "1.2.5", "MIT")], 0)

    def test_every_part_of_a_bill_is_reached_from_the_plugin(self):
        bill = json.loads(self.bill())
        edges = {edge["ref"]: edge["dependsOn"] for edge in bill["dependencies"]}
        reached, waiting = set(), [bill["metadata"]["component"]["bom-ref"]]
        while waiting:
            ref = waiting.pop()
            if ref not in reached:
                reached.add(ref)
                waiting += edges[ref]
        parts = {part["bom-ref"] for part in bill["components"]}
        self.assertEqual(reached, parts | {bill["metadata"]["component"]["bom-ref"]})
        self.assertIn("pkg:cargo/guest@1.0.0", edges["pkg:generic/astra.wasm@3.0.0"])

    def test_a_bill_names_the_plugin_by_its_sum_and_is_the_same_each_time(self):
        bill = json.loads(self.bill())
        self.assertEqual(bill["metadata"]["component"]["hashes"][0]["content"], "11" * 32)
        self.assertEqual(self.bill(), self.bill())


class Licences(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def with_texts(self, name, texts, **more):
        folder = self.folder / name
        folder.mkdir()
        for file, text in texts.items():
            (folder / file).write_text(text)
        return crate(name, folder=folder, **more)

    def test_a_text_of_many_crates_stands_once_with_their_names(self):
        page = licences.third_party("t", [self.with_texts("a", {"LICENSE": "same \n"}), self.with_texts("b", {"LICENCE-MIT": "same"})])
        self.assertEqual(page.count("\nsame\n"), 1)
        self.assertIn("Of a 1.0.0, b 1.0.0:", page)

    def test_a_crate_without_a_text_has_that_of_its_repository_or_of_its_release(self):
        there = self.with_texts("there", {"LICENSE": "text"}, repository="https://host/owner/repo/tree/main/there")
        without = self.with_texts("without", {"README": ""})
        homeless = self.with_texts("homeless", {}, repository="")
        self.assertIn("there 1.0.0, without 1.0.0, homeless 1.0.0", licences.third_party("t", [there, without, homeless]))

    def test_a_crate_whose_text_is_nowhere_stops_the_release(self):
        lonely = self.with_texts("lonely", {}, repository="https://host/other/repo")
        with self.assertRaisesRegex(SystemExit, "lonely 1.0.0 .* carries no licence text"):
            licences.third_party("t", [lonely])

    def test_our_own_crates_are_no_third_party(self):
        ours = self.with_texts("ours", {}, is_ours=True)
        self.assertNotIn("ours", licences.third_party("t", [ours]))


class Carried(unittest.TestCase):
    def setUp(self):
        self.program = Path(sys.executable).resolve().read_bytes()

    def test_a_program_carries_its_list_and_still_runs(self):
        parts = [crate("root", uses=["b"], is_ours=True), crate("b"), crate("a")]
        whole = carried.with_list(self.program, parts)
        names = [package["name"] for package in carried.crates_in(whole)["packages"]]
        self.assertEqual(names, ["a", "b", "root"])
        root = carried.crates_in(whole)["packages"][2]
        self.assertEqual((root["dependencies"], root["root"], root["source"]), ([1], True, "local"))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "python"
            path.write_bytes(whole)
            path.chmod(0o755)
            subprocess.run([path, "-V"], check=True, capture_output=True)

    def test_what_is_loaded_stays_byte_for_byte(self):
        whole = carried.with_list(self.program, [crate("root", is_ours=True)])
        start = carried.HEADER.size
        self.assertEqual(whole[start : len(self.program)], self.program[start:])

    def test_a_program_without_a_list_carries_none_and_gets_one_only_once(self):
        self.assertIsNone(carried.crates_in(self.program))
        whole = carried.with_list(self.program, [crate("root", is_ours=True)])
        with self.assertRaisesRegex(SystemExit, "has its list of crates already"):
            carried.with_list(whole, [crate("root", is_ours=True)])

    def test_what_is_no_program_is_refused(self):
        with self.assertRaisesRegex(SystemExit, "no 64-bit little-endian ELF"):
            carried.with_list(b"\0asm" + bytes(100), [crate("root", is_ours=True)])


class Proofs(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.key = self.folder / "key.pem"
        made = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.key]
        subprocess.run(made, check=True, capture_output=True)

    def test_a_signature_is_of_one_file_and_one_key(self):
        path = self.folder / "SUMS"
        path.write_bytes(b"sums")
        signing.write_signature(str(self.key), path)
        signature = base64.b64decode((self.folder / "SUMS.sig").read_text())
        signing.verify(signing.public(str(self.key)), b"sums", signature)
        bundle = json.loads((self.folder / "SUMS.sigstore.json").read_text())["messageSignature"]
        self.assertEqual(base64.b64decode(bundle["signature"]), signature)
        self.assertEqual(base64.b64decode(bundle["messageDigest"]["digest"]), hashlib.sha256(b"sums").digest())
        with self.assertRaises(SystemExit):
            signing.verify(signing.public(str(self.key)), b"other", signature)

    def test_a_provenance_names_what_was_built_under_a_signature(self):
        told = provenance.statement([("file", {"sha256": "11" * 32})], {"version": "1"}, [("git+x", {"gitCommit": "c"})], "urn:b")
        line = provenance.envelope(told, signing.signer(str(self.key)))
        statement, signed, (signature,) = provenance.opened(line)
        signing.verify(signing.public(str(self.key)), signed, signature)
        self.assertEqual(statement["subject"][0], {"name": "file", "digest": {"sha256": "11" * 32}})
        self.assertEqual(statement["predicateType"], "https://slsa.dev/provenance/v1")

    def test_a_key_that_is_missing_is_named(self):
        with self.assertRaisesRegex(SystemExit, "NO_SUCH_KEY"):
            signing.sign("env:NO_SUCH_KEY", b"")


class Resolved(unittest.TestCase):
    PACKAGE = {"name": "a", "version": "1.0.0", "repository": None, "manifest_path": "/a/Cargo.toml", "source": "registry"}

    def test_a_licence_is_an_expression_of_spdx(self):
        old = crates.crate_of(self.PACKAGE | {"license": "MIT / Apache-2.0"}, "")
        self.assertEqual(old.licence, "MIT OR Apache-2.0")
        with self.assertRaisesRegex(SystemExit, "a 1.0.0 names no licence"):
            crates.crate_of(self.PACKAGE | {"license": None}, "")

    def test_lines_of_cargos_tree_are_names_and_versions(self):
        text = "plugin-host v3.0.0 (/folder)\nserde v1.0.229\nserde v1.0.229 (*)\n\n"
        self.assertEqual(crates.names_in_tree(text), {("plugin-host", "3.0.0"), ("serde", "1.0.229")})


if __name__ == "__main__":
    unittest.main()
