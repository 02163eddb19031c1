"""A registry that serves OCI image layouts for reading: oci-registry.py LAYOUT.tar… Prints `READY HOST:PORT`.

The name of a repository is that of its file up to the version: `name_1.2.3_oci.tar` and `name-1.2.3_oci.tar` are `name`."""

import http.server
import json
import re
import sys
import tarfile
from pathlib import Path


def repository(path):
    """The blobs of a layout by their digests, and the descriptors by their tags."""
    with tarfile.open(path) as archive:
        files = {info.name: archive.extractfile(info).read() for info in archive if info.isfile()}
    blobs = {f"sha256:{Path(name).name}": data for name, data in files.items() if name.startswith("blobs/sha256/")}
    described = json.loads(files["index.json"])["manifests"]
    return blobs, {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in described}


def name_of(path):
    return re.sub(r"[-_]\d+\.\d+\.\d+.*$", "", Path(path).name)


REPOSITORIES = {name_of(path): repository(path) for path in sys.argv[1:]}


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/v2/":
            return self.answer(200, b"{}", "application/json")
        asked = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", self.path)
        blobs, tags = REPOSITORIES.get(asked[1], ({}, {})) if asked else ({}, {})
        digest = tags.get(asked[3], asked[3]) if asked else None
        if digest not in blobs:
            return self.answer(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}', "application/json")
        data, kind = blobs[digest], "application/octet-stream"
        if asked[2] == "manifests":
            kind = json.loads(data)["mediaType"]
        return self.answer(200, data, kind, digest)

    do_HEAD = do_GET

    def answer(self, status, data, kind, digest=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        """Its output is for the address only."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
print(f"READY 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
