"""OCI image layouts: the plugin as an image for OpenBao's declarative plugins, the module as a WebAssembly artifact.

An image has the plugin in its root, where OpenBao looks for it. The artifact of a module has one layer, as `wkg` and `oras` want it; its
signature is an artifact of its own, which names the module's as its subject. A layout is one tar, which `skopeo`, `crane` and `oras`
push."""

import hashlib
import json

from archive import Entry, tar, zipped
from sbom import time_text

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
WASM_CONFIG = "application/vnd.wasm.config.v0+json"
WASM_LAYER = "application/wasm"
SIGNATURES = "application/vnd.secrets-engine.signatures.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
TITLE = "org.opencontainers.image.title"
# Of nobody: the image needs no right but to run its one file.
USER = "65532:65532"


class Layout:
    """The blobs of a layout, by their sums."""

    def __init__(self, epoch):
        self.epoch = epoch
        self.blobs = {}

    def add(self, data, media_type, **more):
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def add_json(self, value, media_type, **more):
        return self.add(json.dumps(value, sort_keys=True).encode(), media_type, **more)

    def image(self, architecture, entries, entrypoint, annotations):
        """An image of one layer; answers its descriptor with its platform."""
        unpacked = tar(entries, self.epoch)
        layer = self.add(zipped(unpacked), LAYER)
        config = {
            "architecture": architecture,
            "os": "linux",
            "created": time_text(self.epoch),
            "config": {"Entrypoint": [entrypoint], "User": USER, "Labels": annotations},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(unpacked).hexdigest()}"]},
            "history": [{"created": time_text(self.epoch), "comment": "the plugin and its licences"}],
        }
        manifest = manifest_of(self.add_json(config, IMAGE_CONFIG), layer, annotations)
        return self.add_json(manifest, MANIFEST, platform={"architecture": architecture, "os": "linux"})

    def wasm(self, name, module, exports, imports, annotations):
        """The module as the CNCF's form of a WebAssembly artifact has it. `oras` pulls it to a file of this name."""
        layer = self.add(module, WASM_LAYER, annotations={TITLE: name})
        config = {
            "architecture": "wasm",
            "os": "wasip2",
            "created": time_text(self.epoch),
            "layerDigests": [layer["digest"]],
            "component": {"exports": exports, "imports": imports, "target": None},
        }
        return self.add_json(manifest_of(self.add_json(config, WASM_CONFIG), layer, annotations), MANIFEST)

    def signatures(self, name, text, subject, annotations):
        """The signature file of a module. What lists the referrers of the module's artifact, the subject, finds it."""
        layer = self.add(text, SIGNATURES, annotations={TITLE: name})
        subject = {key: subject[key] for key in ("mediaType", "digest", "size")}
        manifest = manifest_of(self.add(b"{}", EMPTY), layer, annotations)
        return self.add_json(manifest | {"artifactType": SIGNATURES, "subject": subject}, MANIFEST, artifactType=SIGNATURES)

    def index(self, images, annotations):
        """One name for the images of all platforms."""
        return self.add_json(index_of(images, annotations), INDEX)

    def pack(self, tagged):
        """The bytes of the layout's tar, whose entries have these tags."""
        named = [one | {"annotations": {"org.opencontainers.image.ref.name": tag}} for tag, one in tagged.items()]
        entries = [Entry(f"blobs/sha256/{digest}", data) for digest, data in self.blobs.items()]
        entries.append(Entry("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'))
        entries.append(Entry("index.json", json.dumps(index_of(named, {}), sort_keys=True).encode()))
        return tar(entries, self.epoch)


def manifest_of(config, layer, annotations):
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer], "annotations": annotations}


def index_of(manifests, annotations):
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
    return index | ({"annotations": annotations} if annotations else {})
