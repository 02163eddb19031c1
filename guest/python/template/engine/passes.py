"""`passes/:name`: a secret whose lease can be renewed, and which ends when its lease is revoked.

A pass lives in the storage of the mount. An engine that creates something outside first stores what it is about to create, so
that `periodic` can undo what a fault in between left behind.
"""

from collections.abc import Mapping
from typing import Any

from helper.backend import Context, Lease, Operation, OperationSpec, Path, Response, Secret, SecretKind
from helper.errors import mistake

from . import greetings

PREFIX = "pass/"

TTL = 10 * 60

MAX_TTL = 24 * 60 * 60
"""The longest life of a pass, with all renewals."""


def _issue(context: Context, data: dict[str, Any]) -> Response:
    name = data["name"]
    greeting = greetings.find(context, name)
    if greeting is None:
        raise mistake(f"no greeting for `{name}`: write `greetings/{name}` first")
    pass_ = context.host.random(16).hex()
    context.host.storage.put_json(PREFIX + pass_, {"name": name}, seal_wrap=True)
    return Response({"pass": pass_, "greeting": greeting}, secret=_leased({"pass": pass_}))


def _renew(context: Context, lease: Lease) -> Response:
    """A renewal knows the lease only by its internal data, which the server returns."""
    if context.host.storage.get(PREFIX + lease.internal_data["pass"]) is None:
        raise mistake("the pass has ended: read another one")
    return Response(secret=_leased(lease.internal_data))


def _revoke(context: Context, lease: Lease) -> None:
    """The server repeats a revocation after a fault, so revoking an ended pass succeeds."""
    context.host.storage.delete(PREFIX + lease.internal_data["pass"])


def _leased(internal_data: Mapping[str, Any]) -> Secret:
    return Secret(PASS.kind, internal_data, ttl=TTL, max_ttl=MAX_TTL)


PASS = SecretKind("pass", renew=_renew, revoke=_revoke)
"""The kind of secret that this engine leases."""

PASSES = Path(
    pattern="passes/:name",
    fields=(greetings.NAME,),
    operations={Operation.READ: OperationSpec(_issue, "Make a pass for a visitor.")},
    synopsis="Make a pass for a visitor.",
    description="Each read makes a pass of its own, which ends with its lease.",
)
