"""The whole life of tokens, as a Python program with hvac goes through it.

Its one argument is a JSON file with settings. The last line that it prints is `done`.
"""

import json
import sys

import hvac
import requests

with open(sys.argv[1], encoding="utf-8") as file:
    SETTINGS = json.load(file)
MOUNT, ORG = SETTINGS["mount"], SETTINGS["org"]
CREDS = f"{MOUNT}/creds/{ORG}/reader"
# No wait without an end.
SECONDS_MAX = 60


def main():
    operator = client(SETTINGS["root_token"])
    set_up(operator)
    application = client(restricted_token(operator))

    minted = application.read(CREDS)
    token, client_id = minted["data"]["token"], minted["data"]["clientId"]
    assert works(token)
    assert minted["renewable"] and minted["lease_duration"] == 600, minted["lease_duration"]
    renewed = application.sys.renew_lease(minted["lease_id"], increment=300)
    assert renewed["lease_duration"] == 300, renewed

    record = operator.read(f"{MOUNT}/tokens/{ORG}/{client_id}")["data"]
    assert record["role"] == "reader" and record["created_by"]["display_name"] == "token-app", record
    assert token not in json.dumps(record)
    assert client_id in keys(operator, f"{MOUNT}/tokens/{ORG}")

    nothing_else_is_allowed(application)

    operator.sys.revoke_lease(minted["lease_id"])
    assert not works(token)
    assert client_id not in keys(operator, f"{MOUNT}/tokens/{ORG}")
    record = operator.read(f"{MOUNT}/tokens/{ORG}/{client_id}")["data"]
    assert record["ended_how"] == "revoked", record

    # An application that gives up its own token gives up what it got with it.
    assert works(application.read(CREDS)["data"]["token"])
    application.auth.token.revoke_self()
    assert is_refused(lambda: application.read(CREDS))
    print("done")


def client(token):
    return hvac.Client(url=SETTINGS["address"], token=token, timeout=SECONDS_MAX)


def set_up(operator):
    config = {"astra_token": SETTINGS["astra_token"], "url": SETTINGS["astra_url"], "logical_name": "main"}
    operator.write_data(f"{MOUNT}/config/{ORG}", data=config)
    shown = operator.read(f"{MOUNT}/config/{ORG}")["data"]
    assert shown["logical_name"] == "main" and shown["astra_token_client_id"] and "astra_token" not in shown, shown
    for role in ["admin", "reader"]:
        operator.write_data(f"{MOUNT}/roles/{ORG}/{role}", data={"role_id": SETTINGS["role_id"], "ttl": "10m"})
    assert keys(operator, f"{MOUNT}/roles/{ORG}") == ["admin", "reader"]
    try:
        operator.write_data(f"{MOUNT}/roles/{ORG}/READER", data={"role_id": SETTINGS["role_id"]})
        raise AssertionError("a second spelling was taken")
    except hvac.exceptions.InvalidRequest as error:
        assert "READER" in str(error), error


def restricted_token(operator):
    """One role of one organization, and what keeps the client's own things alive."""
    operator.sys.create_or_update_acl_policy(name=MOUNT, policy=SETTINGS["policy"])
    made = operator.auth.token.create(policies=[MOUNT], no_default_policy=True, display_name="app", ttl="10m")
    return made["auth"]["client_token"]


def nothing_else_is_allowed(application):
    for path in SETTINGS["denied"]:
        assert is_refused(lambda: application.read(path)), path
    assert is_refused(lambda: application.write_data(CREDS, data={"metadata": {"team": "blue"}}))
    assert is_refused(lambda: application.list(f"{MOUNT}/tokens/{ORG}"))


def is_refused(action):
    try:
        action()
    except hvac.exceptions.Forbidden:
        return True
    return False


def keys(operator, path):
    # An empty list is a 404, which hvac answers with nothing.
    answer = operator.list(path)
    return answer["data"]["keys"] if answer else []


def works(token):
    url = SETTINGS["astra_url"] + "/v2/currentOrg"
    return requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=SECONDS_MAX).status_code == 200


main()
