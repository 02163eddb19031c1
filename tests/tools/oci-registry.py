"""A registry of OCI artifacts in memory: oci-registry.py [LAYOUT.tar…] Prints `READY HOST:PORT`.

It serves image layouts, and takes what clients push, signatures that name their subject among it. The name of a layout's repository is
that of its file up to the version: `name_1.2.3_oci.tar` and `name-1.2.3_oci.tar` are `name`."""

import hashlib
import http.server
import json
import re
import sys
import tarfile
import urllib.parse
import uuid
from pathlib import Path

INDEX = "application/vnd.oci.image.index.v1+json"
REF_NAME = "org.opencontainers.image.ref.name"


class Repository:
    """Blobs, the digests of those that are manifests, and tags."""

    def __init__(self):
        self.blobs, self.manifests, self.tags = {}, set(), {}

    def add(self, data):
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = data
        return digest

    def add_manifest(self, data, tag=None):
        digest = self.add(data)
        self.manifests.add(digest)
        if tag:
            self.tags[tag] = digest
        return digest

    def add_layout(self, path):
        with tarfile.open(path) as archive:
            files = {info.name: archive.extractfile(info).read() for info in archive if info.isfile()}
        for name, data in files.items():
            if name.startswith("blobs/sha256/"):
                self.add(data)
        for described in json.loads(files["index.json"])["manifests"]:
            self.add_manifest(self.blobs[described["digest"]], described.get("annotations", {}).get(REF_NAME))
        return self

    def referrers(self, subject):
        """An index of the manifests that name this subject."""
        found = []
        for digest in sorted(self.manifests):
            manifest = json.loads(self.blobs[digest])
            if manifest.get("subject", {}).get("digest") == subject:
                kind = manifest.get("artifactType") or manifest["config"]["mediaType"]
                one = {"mediaType": manifest["mediaType"], "digest": digest, "size": len(self.blobs[digest])}
                found.append(one | {"artifactType": kind, "annotations": manifest.get("annotations", {})})
        return {"schemaVersion": 2, "mediaType": INDEX, "manifests": found}


def name_of(path):
    return re.sub(r"[-_]\d+\.\d+\.\d+.*$", "", Path(path).name)


REPOSITORIES = {name_of(path): Repository().add_layout(path) for path in sys.argv[1:]}
UPLOADS = {}


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path).path
        if path == "/v2/":
            return self.answer(200, b"{}", "application/json")
        asked = re.fullmatch(r"/v2/(.+)/(manifests|blobs|referrers)/([^/]+)", path)
        repository = REPOSITORIES.get(asked[1]) if asked else None
        if repository is None:
            return self.missing()
        if asked[2] == "referrers":
            return self.answer(200, json.dumps(repository.referrers(asked[3])).encode(), INDEX)
        digest = repository.tags.get(asked[3], asked[3])
        if digest not in repository.blobs:
            return self.missing()
        data, kind = repository.blobs[digest], "application/octet-stream"
        if asked[2] == "manifests":
            kind = json.loads(data)["mediaType"]
        return self.answer(200, data, kind, {"Docker-Content-Digest": digest})

    do_HEAD = do_GET

    def do_POST(self):
        """Begins the upload of a blob, or takes it as a whole."""
        asked = re.fullmatch(r"/v2/(.+)/blobs/uploads/", urllib.parse.urlsplit(self.path).path)
        if not asked:
            return self.missing()
        upload = f"/v2/{asked[1]}/blobs/uploads/{uuid.uuid4()}"
        UPLOADS[upload] = self.body()
        if "digest" in self.query():
            return self.complete(upload)
        return self.accepted(upload)

    def do_PATCH(self):
        upload = urllib.parse.urlsplit(self.path).path
        if upload not in UPLOADS:
            return self.missing()
        UPLOADS[upload] += self.body()
        return self.accepted(upload)

    def do_PUT(self):
        path = urllib.parse.urlsplit(self.path).path
        if path in UPLOADS:
            UPLOADS[path] += self.body()
            return self.complete(path)
        asked = re.fullmatch(r"/v2/(.+)/manifests/([^/]+)", path)
        if not asked:
            return self.missing()
        data = self.body()
        repository = REPOSITORIES.setdefault(asked[1], Repository())
        manifest = json.loads(data)
        for part in [manifest["config"], *manifest["layers"]]:
            if part["digest"] not in repository.blobs:
                return self.answer(400, b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}', "application/json")
        digest = repository.add_manifest(data, None if asked[2].startswith("sha256:") else asked[2])
        headers = {"Location": f"/v2/{asked[1]}/manifests/{digest}", "Docker-Content-Digest": digest}
        if "subject" in manifest:
            headers["OCI-Subject"] = manifest["subject"]["digest"]
        return self.answer(201, b"", "text/plain", headers)

    def complete(self, upload):
        repository, data = re.fullmatch(r"/v2/(.+)/blobs/uploads/[^/]+", upload)[1], UPLOADS.pop(upload)
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        if self.query().get("digest") != [digest]:
            return self.answer(400, b'{"errors":[{"code":"DIGEST_INVALID"}]}', "application/json")
        REPOSITORIES.setdefault(repository, Repository()).add(data)
        headers = {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest}
        return self.answer(201, b"", "text/plain", headers)

    def accepted(self, upload):
        headers = {"Location": upload, "Range": f"0-{max(len(UPLOADS[upload]) - 1, 0)}"}
        return self.answer(202, b"", "text/plain", headers)

    def missing(self):
        return self.answer(404, b'{"errors":[{"code":"NAME_UNKNOWN"}]}', "application/json")

    def query(self):
        return urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        data = b""
        while length := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def answer(self, status, data, kind, headers=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        """Its output is for the address only."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
print(f"READY 127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
