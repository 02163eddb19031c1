"""A program that reads its token of Astra from OpenBao or Vault, and works with `astrapy`.

Set BAO_ADDR, BAO_TOKEN and ASTRA_CREDS (such as `astra/creds/ORG_ID/ROLE`). The field `token` is all that `astrapy` needs."""

import json
import os
import urllib.request

from astrapy import DataAPIClient
from astrapy.api_options import APIOptions, DevOpsAPIURLOptions


def read_credentials():
    """One read makes one token: keep the answer, and renew its lease while the program runs."""
    url = f"{os.environ['BAO_ADDR']}/v1/{os.environ['ASTRA_CREDS']}"
    request = urllib.request.Request(url, headers={"X-Vault-Token": os.environ["BAO_TOKEN"]})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def client_of(token):
    options = {}
    # Only for another address than Astra's own.
    if url := os.environ.get("ASTRA_URL"):
        options["api_options"] = APIOptions(dev_ops_api_url_options=DevOpsAPIURLOptions(dev_ops_url=url))
    return DataAPIClient(token, **options)


def main():
    credentials = read_credentials()
    client = client_of(credentials["data"]["token"])
    databases = client.get_admin().list_databases()
    print("databases:", *(f"{database.name} in {database.regions[0].name}" for database in databases))
    endpoint = os.environ.get("ASTRA_URL") or databases[0].regions[0].api_endpoint
    database = client.get_database(endpoint, keyspace=databases[0].keyspaces[0])
    print("collections:", len(database.list_collection_names()))
    print("lease:", credentials["lease_id"])


main()
