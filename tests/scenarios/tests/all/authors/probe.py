"""`probe/:kind`: what CPython finds in a module. The second version of the scenario's engine has this path."""

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
        "connection": lambda: socket.create_connection(("127.0.0.1", 9)),
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


KINDS: dict[str, Callable[[Context], dict[str, Any]]] = {"random": _random, "refused": _refused, "deep": _deep}


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
