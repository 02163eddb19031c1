"""`config`: where the upstream is, and the token that it wants.

The token is declared as a secret, so this engine never has it: what it reads, stores and sends is a surrogate, in whose place
the host sends the token, to `url` only and in the declared calls only.
"""

from typing import Any
from urllib.parse import urlsplit

from helper.backend import Context, Operation, OperationSpec, Path, Response
from helper.declaration import Alphabet, ApiCall, Requested, RequestField, SecretClass, Shape, Sibling, StoredField
from helper.errors import mistake
from helper.fields import Field, FieldType

URL = Field("url", FieldType.STRING, "Base URL of the upstream.", required=True)
TOKEN = Field("token", FieldType.STRING, "What the upstream wants as bearer token.", required=True)

PREFIX = "config/"
KEY = "config/current"

API_TOKEN = SecretClass(
    name="api-token",
    shape=Shape(Alphabet.LETTERS_AND_DIGITS, secret_characters_min=16),
    request_fields=(RequestField(("config",), ("token",), Requested(field="url")),),
    stored_fields=(StoredField(PREFIX, ("token",), Sibling("url")),),
    bearer_of=(ApiCall("GET", "/visitors/+"),),
)


def load(context: Context) -> dict[str, str] | None:
    """The config: `url` and `token`."""
    config: dict[str, str] | None = context.host.storage.get_json(KEY)
    return config


def _write(context: Context, data: dict[str, Any]) -> None:
    url = (data["url"] or "").rstrip("/")
    origin = _origin(url)
    if origin is None:
        raise mistake("`url` must be a base URL such as `https://visits.example.com/api`")
    context.host.http.check_origin(origin)
    if not data["token"]:
        raise mistake("missing `token`: the upstream wants one, and a stored one is not sent to another `url`")
    context.host.storage.put_json(KEY, {"url": url, "token": data["token"]}, seal_wrap=True)


def _read(context: Context, _: dict[str, Any]) -> Response | None:
    config = load(context)
    return None if config is None else Response({"url": config["url"]})


def _delete(context: Context, _: dict[str, Any]) -> None:
    context.host.storage.delete(KEY)


def _origin(url: str) -> str | None:
    """The origin of a plain URL of HTTP."""
    if any(character in url for character in "@?# "):
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else None


CONFIG = Path(
    pattern="config",
    fields=(URL, TOKEN),
    operations={
        Operation.UPDATE: OperationSpec(_write, "Write where the upstream is, and its token."),
        Operation.READ: OperationSpec(_read, "Read where the upstream is.", answers=(URL,)),
        Operation.DELETE: OperationSpec(_delete, "Delete the config."),
    },
    synopsis="Configure the upstream.",
    description="The token is sent to this URL only, and shown to nobody.",
)
