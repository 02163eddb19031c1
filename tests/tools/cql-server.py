"""A CQL server of protocol version 4 that knows who may log in and one row: cql-server.py ASTRA-URL. Prints `READY HOST:PORT`.

A password is right if Astra takes it as a token. What it says of itself is enough for the drivers of Python and Java to connect."""

import json
import socketserver
import struct
import sys
import urllib.error
import urllib.request
import uuid

ERROR, STARTUP, READY, AUTHENTICATE, OPTIONS, SUPPORTED, QUERY, RESULT, REGISTER, AUTH_RESPONSE, AUTH_SUCCESS = (
    0x00, 0x01, 0x02, 0x03, 0x05, 0x06, 0x07, 0x08, 0x0B, 0x0F, 0x10)  # fmt: skip
BAD_CREDENTIALS, PROTOCOL_ERROR = 0x0100, 0x000A
UUID, VARCHAR = 0x000C, 0x000D
NODE = uuid.UUID("6e6f6465-0000-4000-8000-000000000001")
LOCAL = {
    "key": "local",
    "cluster_name": "test",
    "data_center": "dc-1",
    "rack": "rack-1",
    "release_version": "4.0.0",
    "partitioner": "org.apache.cassandra.dht.Murmur3Partitioner",
    "host_id": NODE,
    "schema_version": NODE,
}


def text(value):
    return struct.pack(">H", len(value.encode())) + value.encode()


def error(code, message):
    return ERROR, struct.pack(">i", code) + text(message)


def encoded(value):
    return value.bytes if value is NODE else value.encode()


def rows(values):
    """One row, or none; the names of columns are always told."""
    columns = b"".join(text(name) + struct.pack(">H", UUID if value is NODE else VARCHAR) for name, value in LOCAL.items())
    # Kind of the result (rows), flags (one table for all columns), count of columns.
    head = struct.pack(">iii", 2, 1, len(LOCAL)) + text("system") + text("local") + columns
    cells = b"".join(struct.pack(">i", len(cell)) + cell for cell in map(encoded, values))
    return RESULT, head + struct.pack(">i", 1 if values else 0) + cells


def is_accepted(token):
    asked = urllib.request.Request(f"{sys.argv[1]}/v2/currentOrg", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return bool(json.load(answer)["id"])
    except urllib.error.HTTPError:
        return False


class Connection(socketserver.StreamRequestHandler):
    is_known = False

    def handle(self):
        while head := self.rfile.read(9):
            version, _, stream, opcode, length = struct.unpack(">BBhBi", head)
            body = self.rfile.read(length)
            other_version = error(PROTOCOL_ERROR, "Invalid or unsupported protocol version; supported versions are (4/v4)")
            answer, content = self.answer(opcode, body) if version == 4 else other_version
            self.wfile.write(struct.pack(">BBhBi", 0x84, 0, stream, answer, len(content)) + content)

    def answer(self, opcode, body):
        if opcode == OPTIONS:
            versions = text("CQL_VERSION") + struct.pack(">H", 1) + text("3.4.5")
            return SUPPORTED, struct.pack(">H", 2) + versions + text("COMPRESSION") + struct.pack(">H", 0)
        if opcode == STARTUP:
            return AUTHENTICATE, text("org.apache.cassandra.auth.PasswordAuthenticator")
        if opcode == AUTH_RESPONSE:
            return self.log_in(body[4:])
        if not self.is_known:
            return error(BAD_CREDENTIALS, "log in first")
        if opcode == REGISTER:
            return READY, b""
        if opcode == QUERY:
            (size,) = struct.unpack(">i", body[:4])
            query = body[4 : 4 + size].decode()
            return rows(list(LOCAL.values()) if "system.local" in query else [])
        return error(PROTOCOL_ERROR, f"opcode {opcode}")

    def log_in(self, credentials):
        _, user, password = credentials.split(b"\0")
        self.is_known = user == b"token" and is_accepted(password.decode())
        print(f"user `{user.decode()}` {'accepted' if self.is_known else 'refused'}", flush=True)
        return (AUTH_SUCCESS, struct.pack(">i", -1)) if self.is_known else error(BAD_CREDENTIALS, "the password is no token of Astra")


socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
print(f"READY 127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
