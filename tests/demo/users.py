"""A service with users and passwords: users.py TOKEN-FILE. Prints READY and its base URL, and writes its token to the file.

POST /users makes a user, DELETE /users/NAME deletes one, both for the bearer of the token; GET /login is for users.
"""

import base64
import http.server
import json
import os
import secrets
import sys

token = secrets.token_hex(16)
users = {}


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        _, _, encoded = self.headers.get("Authorization", "").partition("Basic ")
        name, _, password = base64.b64decode(encoded).decode().partition(":")
        known = self.path == "/login" and secrets.compare_digest(users.get(name, ""), password) and name in users
        self.answer(200 if known else 401)

    def do_POST(self):
        user = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        if not self.is_admin():
            return
        is_new = self.path == "/users" and user["username"] not in users
        if is_new:
            users[user["username"]] = user["password"]
        self.answer(201 if is_new else 409)

    def do_DELETE(self):
        if self.is_admin():
            known = users.pop(self.path.removeprefix("/users/"), None)
            self.answer(404 if known is None else 204)

    def is_admin(self):
        known = secrets.compare_digest(self.headers.get("Authorization", ""), f"Bearer {token}")
        if not known:
            self.answer(401)
        return known

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """The answer is all that there is to say."""


with open(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
    file.write(token)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
print(f"READY http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
