"""`greetings` and `greetings/:name`: a text for each visitor."""

from typing import Any

from helper.backend import Context, Operation, OperationSpec, Path, Response
from helper.errors import mistake
from helper.fields import Field, FieldType

NAME = Field("name", FieldType.STRING, "Name of the visitor.", required=True)
TEXT = Field("text", FieldType.STRING, "What the visitor is told.", required=True)

PREFIX = "greeting/"


def find(context: Context, name: str) -> str | None:
    """The stored greeting of a visitor."""
    stored: dict[str, str] | None = context.host.storage.get_json(PREFIX + name)
    return None if stored is None else stored["text"]


def _write(context: Context, data: dict[str, Any]) -> None:
    # A mistake of the client becomes a response with status 400 and this text.
    if not data["text"]:
        raise mistake("missing `text`: say what the visitor is told")
    context.host.storage.put_json(PREFIX + data["name"], {"text": data["text"]})


def _read(context: Context, data: dict[str, Any]) -> Response | None:
    text = find(context, data["name"])
    # No response: status 204 for a write, 404 for a read or a list.
    return None if text is None else Response({"text": text})


def _delete(context: Context, data: dict[str, Any]) -> None:
    context.host.storage.delete(PREFIX + data["name"])


def _list(context: Context, _: dict[str, Any]) -> Response | None:
    keys = context.host.storage.list(PREFIX)
    return Response({"keys": keys}) if keys else None


def _exists(context: Context, data: dict[str, Any]) -> bool:
    """Tells a create from an update. The server calls this before it checks policies, so it must change nothing."""
    return find(context, data["name"]) is not None


GREETINGS = Path(
    pattern="greetings",
    list=True,
    operations={Operation.LIST: OperationSpec(_list, "List the visitors that have a greeting.")},
    synopsis="List the visitors that have a greeting.",
    description="The keys are names of visitors.",
)

GREETING = Path(
    pattern="greetings/:name",
    fields=(NAME, TEXT),
    operations={
        Operation.CREATE: OperationSpec(_write, "Store a greeting."),
        Operation.UPDATE: OperationSpec(_write, "Change a greeting."),
        Operation.READ: OperationSpec(_read, "Read a greeting.", answers=(TEXT,)),
        Operation.DELETE: OperationSpec(_delete, "Delete a greeting."),
    },
    existence_check=_exists,
    synopsis="Manage the greeting of a visitor.",
    description="A visitor with a greeting may have passes.",
)
