"""A program that reads its token of Astra from OpenBao or Vault, and works with `cassandra-driver`.

Set BAO_ADDR, BAO_TOKEN, ASTRA_CREDS (such as `astra/creds/ORG_ID/ROLE`), and ASTRA_BUNDLE: the file with the secure connect bundle of
the database. The field `token` is the password; the user name is the word `token`."""

import json
import os
import urllib.request

from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster


def read_credentials():
    """One read makes one token: keep the answer, and renew its lease while the program runs."""
    url = f"{os.environ['BAO_ADDR']}/v1/{os.environ['ASTRA_CREDS']}"
    request = urllib.request.Request(url, headers={"X-Vault-Token": os.environ["BAO_TOKEN"]})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def place():
    """The database: its bundle, or an address without TLS for tests."""
    if bundle := os.environ.get("ASTRA_BUNDLE"):
        return {"cloud": {"secure_connect_bundle": bundle}}
    host, port = os.environ["CQL_ADDRESS"].split(":")
    quiet = {"schema_metadata_enabled": False, "token_metadata_enabled": False}
    return {"contact_points": [host], "port": int(port), "protocol_version": 4, **quiet}


def main():
    credentials = read_credentials()
    cluster = Cluster(auth_provider=PlainTextAuthProvider("token", credentials["data"]["token"]), **place())
    session = cluster.connect()
    row = session.execute("SELECT release_version FROM system.local").one()
    print("connected, version", row.release_version)
    cluster.shutdown()


main()
