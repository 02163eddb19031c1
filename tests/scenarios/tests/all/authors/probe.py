"""`probe/:kind`: what the helper offers, and what CPython finds in a module. The second version of the scenario's engine has this path."""

import os
import random
import secrets
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable
from typing import Any

from helper.backend import Context, Operation, OperationSpec, Path, Response
from helper.errors import mistake
from helper.fields import Field, FieldType
from helper.host import HttpRequest
from helper.json_text import NESTING_MAX, object_of

MADE_BY_THE_BUILD = random.Random()
KIND = Field("kind", FieldType.STRING, "What to try.", required=True)


def _random(context: Context) -> dict[str, Any]:
    return {
        "host": context.host.random(16).hex(),
        "random": random.random(),
        "secrets": secrets.token_hex(16),
        "urandom": os.urandom(16).hex(),
        "uuid": str(uuid.uuid4()),
        "system": random.SystemRandom().random(),
        "made-by-the-build": MADE_BY_THE_BUILD.random(),
    }


def _refused(_: Context) -> dict[str, Any]:
    calls: dict[str, Callable[[], object]] = {
        "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "name": lambda: socket.getaddrinfo(b"localhost", 80),
        "file": lambda: open("/etc/passwd"),
        "import": lambda: __import__("wave"),
        "process": lambda: subprocess.run(["true"]),
        "thread": lambda: threading.Thread(target=print).start(),
    }
    return {name: _outcome(call) for name, call in calls.items()}


def _outcome(call: Callable[[], object]) -> str:
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "it worked"


def _deep(_: Context) -> dict[str, Any]:
    """Nests as deep as the helper lets a client, in a handler."""
    depth = NESTING_MAX - 1
    value = object_of("value", '{"a":' + "[" * depth + "]" * depth + "}")["a"]
    levels = 1
    while isinstance(value, list):
        levels, value = levels + 1, value[0] if value else None
    return {"nesting": levels}


def _locks(context: Context) -> dict[str, Any]:
    """A second turn with the lock shows that the first one ended."""
    turns = []
    for turn in (1, 2):
        with context.host.lock("probe"):
            turns.append(turn)
    return {"turns": turns}


def _storage(context: Context) -> dict[str, Any]:
    storage = context.host.storage
    transaction = storage.begin()
    assert transaction
    with transaction:
        transaction.put_json("probe/a", 1)
        transaction.put_json("probe/b", 2)
        before = storage.list("probe/")
        transaction.commit()
    dropped = storage.begin()
    assert dropped
    with dropped:
        dropped.put_json("probe/c", 3)
    a, none = storage.get_many(["probe/a", "probe/none"])
    page = storage.list_page("probe/", "a", 1)
    storage.delete("probe/a")
    return {
        "before": before,
        "a": a and a.key,
        "none": none or "none",
        "page": page,
        "after": storage.list("probe/"),
    }


def _server(context: Context) -> dict[str, Any]:
    host, view = context.host, context.host.system_view
    began = host.clock.now()
    host.clock.sleep(1)
    host.log("warn", "the probe was here", kind="server")
    host.count("probes_total", "Probes.", kind="server")
    return {
        "mount": view.backend_uuid(),
        "ttls": [view.default_lease_ttl(), view.max_lease_ttl()],
        "states": [view.is_tainted(), view.is_upstream_read_only()],
        "entity": view.entity_name("nobody") or "none",
        "slept": host.clock.now() - began,
    }


def _post(context: Context) -> dict[str, Any]:
    url = context.host.storage.get_json("config/current")["url"]
    answer = context.host.http.send(HttpRequest("POST", f"{url}/probes", json={"text": "x" * 100000}))
    return {"status": answer.status}


def _password(context: Context) -> dict[str, Any]:
    return {"password": context.host.system_view.generate_password("probes")}


KINDS: dict[str, Callable[[Context], dict[str, Any]]] = {
    "random": _random,
    "refused": _refused,
    "deep": _deep,
    "locks": _locks,
    "storage": _storage,
    "server": _server,
    "post": _post,
    "password": _password,
}


def _read(context: Context, data: dict[str, Any]) -> Response:
    if data["kind"] not in KINDS:
        raise mistake(f"the kinds are {', '.join(KINDS)}")
    return Response(KINDS[data["kind"]](context))


PROBE = Path(
    pattern="probe/:kind",
    fields=(KIND,),
    operations={Operation.READ: OperationSpec(_read, "Try what CPython finds here.")},
    synopsis="Try what CPython finds here.",
)
