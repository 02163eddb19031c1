"""Which values of an engine are secret: the host keeps them, and the engine gets a surrogate for each.

The classes are those of `secrets-engine:secrets/declaration`, whose comments say what every item means.
"""

from dataclasses import dataclass
from enum import Enum


class Alphabet(Enum):
    """The characters of the secret part of a surrogate."""

    LOWER_HEX = "lower-hex"
    LETTERS_AND_DIGITS = "letters-and-digits"


@dataclass(frozen=True)
class Shape:
    """Which part of a value is secret."""

    alphabet: Alphabet
    secret_characters_min: int
    public: str = ""
    plain_endings: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoredUrl:
    """An entry that holds a base URL."""

    prefix: str
    named_by: tuple[str, ...]
    key: str
    second_name: str | None = None


@dataclass(frozen=True)
class Sibling:
    """The destination is the base URL in a key beside the value."""

    key: str
    otherwise: str | None = None


@dataclass(frozen=True)
class SiblingOrigin:
    """The destination is the origin of the URL in a key beside the value."""

    key: str
    stored: StoredUrl | None = None


@dataclass(frozen=True)
class Requested:
    """The destination is the base URL in a field of the request, or in an entry that the request names."""

    field: str | None = None
    stored: StoredUrl | None = None
    otherwise: str | None = None


Destination = Sibling | SiblingOrigin | Requested | None
"""Where a value may be sent; `None` means nowhere."""


@dataclass(frozen=True)
class RequestField:
    """A field of the data of requests."""

    paths: tuple[str, ...]
    at: tuple[str, ...]
    destination: Destination
    owner: tuple[str, ...] = ()


@dataclass(frozen=True)
class OwnerInKey:
    """The rest of the entry's key names the owner."""


@dataclass(frozen=True)
class OwnerBeside:
    """A key beside the value names the owner."""

    key: str


@dataclass(frozen=True)
class StoredField:
    """A field of storage entries."""

    prefix: str
    at: tuple[str, ...]
    destination: Destination
    owner: OwnerInKey | OwnerBeside | None = None


@dataclass(frozen=True)
class UnreadableField:
    """A field in which the engine keeps what it could not read of an entry."""

    prefix: str
    at: tuple[str, ...]


@dataclass(frozen=True)
class ApiCall:
    """A call of an API: a method and a path below the base URL."""

    method: str
    path: str


@dataclass(frozen=True)
class AnsweredField:
    """A field of the API's answer to a call."""

    call: ApiCall
    at: tuple[str, ...]


@dataclass(frozen=True)
class ShownField:
    """A field of the response to a client."""

    paths: tuple[str, ...]
    at: tuple[str, ...]
    owner: tuple[str, ...] = ()


@dataclass(frozen=True)
class SecretClass:
    """Secret values of one kind."""

    name: str
    shape: Shape
    request_fields: tuple[RequestField, ...] = ()
    stored_fields: tuple[StoredField, ...] = ()
    unreadable_fields: tuple[UnreadableField, ...] = ()
    answered_fields: tuple[AnsweredField, ...] = ()
    bearer_of: tuple[ApiCall, ...] = ()
    shown_fields: tuple[ShownField, ...] = ()
    becomes: tuple[str, ...] = ()
