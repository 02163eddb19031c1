"""Reads a path again and again until it is ended: ask.py URL FILE. Adds a line for each answer: status, version."""

import http.client
import json
import os
import sys
import urllib.parse

url = urllib.parse.urlsplit(sys.argv[1])
server = http.client.HTTPConnection(url.netloc, timeout=60)
with open(sys.argv[2], "a", buffering=1, encoding="utf-8") as answers:
    while True:
        server.request("GET", url.path, headers={"X-Vault-Token": os.environ.get("BAO_TOKEN") or os.environ["VAULT_TOKEN"]})
        answer = server.getresponse()
        body = json.loads(answer.read() or b"{}")
        # One write, so that lines of several clients do not mix.
        answers.write(f"{answer.status} {(body.get('data') or {}).get('version')}\n")
