"""Archives and images: the same content gives the same bytes, and nothing of this machine is in them."""

import hashlib
import io
import json
import os
import sys
import tarfile
import tempfile
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import oci
from archive import Entry, member, tar_gz

EPOCH = 1_700_000_000


class Archives(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def packed(self, name, entries):
        path = self.folder / name
        tar_gz(path, "top", entries, EPOCH)
        return path

    def test_order_umask_time_and_time_zone_of_the_build_change_no_byte(self):
        (self.folder / "file").write_bytes(b"one")
        entries = [Entry("b/file", self.folder / "file"), Entry("a", b"two", 0o755)]
        first = self.packed("first.tar.gz", entries).read_bytes()
        os.utime(self.folder / "file", (1, 1))
        (self.folder / "file").chmod(0o600)
        before = os.umask(0o077), os.environ.get("TZ")
        try:
            os.environ["TZ"] = "Pacific/Chatham"
            time.tzset()
            second = self.packed("second.tar.gz", entries[::-1]).read_bytes()
        finally:
            os.umask(before[0])
            os.environ["TZ"] = before[1] or "UTC"
            time.tzset()
        self.assertEqual(first, second)

    def test_files_belong_to_nobody_and_lie_below_one_folder(self):
        path = self.packed("x.tar.gz", [Entry("bin/tool", b"#!", 0o755), Entry("LICENSE", b"text")])
        with tarfile.open(path) as archive:
            found = {info.name: info for info in archive}
        self.assertEqual(list(found), ["top", "top/bin", "top/LICENSE", "top/bin/tool"])
        self.assertEqual(found["top/bin/tool"].mode, 0o755)
        for info in found.values():
            self.assertEqual((info.uid, info.gid, info.uname, info.gname, info.mtime), (0, 0, "", "", EPOCH))

    def test_a_member_is_found_below_the_top_folder(self):
        path = self.packed("x.tar.gz", [Entry("bin/tool", b"content")])
        self.assertEqual(member(path, "bin/tool"), b"content")
        self.assertIsNone(member(path, "tool"))


class Images(unittest.TestCase):
    def layout(self):
        layout = oci.Layout(EPOCH)
        images = [
            layout.image(architecture, [Entry("plugin", architecture.encode(), 0o755)], "/plugin", {"key": "value"})
            for architecture in ("amd64", "arm64")
        ]
        return layout.pack({"v1": layout.index(images, {"key": "value"})})

    def files(self, packed):
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            return {info.name: archive.extractfile(info).read() for info in archive if info.isfile()}

    def blob(self, files, descriptor):
        data = files[f"blobs/{descriptor['digest'].replace(':', '/')}"]
        self.assertEqual(len(data), descriptor["size"])
        self.assertEqual(f"sha256:{hashlib.sha256(data).hexdigest()}", descriptor["digest"])
        return data

    def test_a_layout_leads_from_its_tag_to_the_file_of_each_platform(self):
        files = self.files(self.layout())
        self.assertEqual(json.loads(files["oci-layout"]), {"imageLayoutVersion": "1.0.0"})
        (tagged,) = json.loads(files["index.json"])["manifests"]
        self.assertEqual(tagged["annotations"], {"org.opencontainers.image.ref.name": "v1"})
        images = json.loads(self.blob(files, tagged))["manifests"]
        self.assertEqual([image["platform"]["architecture"] for image in images], ["amd64", "arm64"])
        for image in images:
            manifest = json.loads(self.blob(files, image))
            config = json.loads(self.blob(files, manifest["config"]))
            layer = self.blob(files, manifest["layers"][0])
            with tarfile.open(fileobj=io.BytesIO(layer)) as content:
                self.assertEqual(content.extractfile("plugin").read().decode(), config["architecture"])
                self.assertEqual(content.getmember("plugin").mode, 0o755)
            self.assertEqual(config["config"]["Entrypoint"], ["/plugin"])

    def test_two_layouts_of_the_same_files_are_equal(self):
        self.assertEqual(self.layout(), self.layout())

    def test_a_wasm_artifact_has_the_module_as_its_layer(self):
        layout = oci.Layout(EPOCH)
        files = self.files(layout.pack({"v1": layout.wasm("m.wasm", b"\0asm", ["out"], ["in"], {})}))
        (tagged,) = json.loads(files["index.json"])["manifests"]
        manifest = json.loads(self.blob(files, tagged))
        (layer,) = manifest["layers"]
        self.assertEqual((self.blob(files, layer), layer["mediaType"]), (b"\0asm", "application/wasm"))
        self.assertEqual(layer["annotations"], {"org.opencontainers.image.title": "m.wasm"})
        config = json.loads(self.blob(files, manifest["config"]))
        self.assertEqual(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json")
        self.assertEqual(config["layerDigests"], [layer["digest"]])
        self.assertEqual(config["component"], {"exports": ["out"], "imports": ["in"], "target": None})
        self.assertEqual((config["architecture"], config["os"], config["created"]), ("wasm", "wasip2", "2023-11-14T22:13:20Z"))

    def test_signatures_refer_to_the_artifact_of_their_module(self):
        layout = oci.Layout(EPOCH)
        module = layout.wasm("m.wasm", b"\0asm", [], [], {})
        files = self.files(layout.pack({"v1": module, "v1.sig": layout.signatures("m.wasm.sig", b"signed", module, {})}))
        tagged = {one["annotations"]["org.opencontainers.image.ref.name"]: one for one in json.loads(files["index.json"])["manifests"]}
        manifest = json.loads(self.blob(files, tagged["v1.sig"]))
        self.assertEqual(manifest["subject"]["digest"], tagged["v1"]["digest"])
        self.assertEqual(manifest["artifactType"], "application/vnd.secrets-engine.signatures.v1+json")
        (layer,) = manifest["layers"]
        self.assertEqual((self.blob(files, layer), layer["annotations"]), (b"signed", {"org.opencontainers.image.title": "m.wasm.sig"}))
        self.assertEqual(self.blob(files, manifest["config"]), b"{}")


if __name__ == "__main__":
    unittest.main()
