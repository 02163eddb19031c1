"""Fields: how a value that a client sent becomes a value of the type of its field. No error shows a value."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .errors import mistake

INT_MAX = 2**63 - 1
"""The numbers of the server have 64 bits."""

SECONDS_MAX = INT_MAX // 1_000_000_000
"""The server counts durations in nanoseconds, in 64 bits."""


class FieldType(Enum):
    """The type of a field, and the type of its values in Python."""

    STRING = "string"
    """`str`"""
    INT = "int"
    """`int`"""
    BOOL = "bool"
    """`bool`"""
    DURATION = "duration"
    """`int`: whole seconds. A client may send seconds, or a text such as `1h30m`."""
    STRINGS = "strings"
    """`list[str]`. A client may send a text, which is split at commas."""
    PAIRS = "pairs"
    """`dict[str, str]`. A client may send texts such as `key=value`."""
    MAP = "map"
    """`dict[str, Any]`"""


@dataclass(frozen=True)
class Field:
    """A field of a path."""

    name: str
    type: FieldType
    description: str
    required: bool = False
    """For help and OpenAPI only: handlers check themselves."""
    default: Any = None
    """The value if the field is not sent."""


class _Unfit(Exception):
    """A value that is none of the field's type. The text says what was expected."""


def coerced(fields: tuple[Field, ...], data: Mapping[str, Any], captures: Mapping[str, str]) -> dict[str, Any]:
    """The values of a request by the names of the fields; `None` for a field that was neither sent nor has a default.

    `captures` is what the path contains, and wins over `data`.
    """
    values = {}
    for field in fields:
        sent = captures.get(field.name, data.get(field.name))
        try:
            values[field.name] = field.default if sent is None else _READERS[field.type](sent)
        except _Unfit as unfit:
            problem = f'error converting input for field "{field.name}": {unfit}'
            raise mistake(f"Field validation failed: {problem}") from None
    return values


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, str | int | float):
        return str(value)
    raise _Unfit("expected a text")


def _int(value: Any) -> int:
    # A longer text is no number of 64 bits.
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,19}", value):
        value = int(value)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and abs(value) <= INT_MAX:
        return int(value)
    raise _Unfit("expected a whole number")


def _bool(value: Any) -> bool:
    if isinstance(value, str):
        value = value.lower()
    if value in ("true", "t", "1", True):
        return True
    if value in ("false", "f", "0", "", False):
        return False
    raise _Unfit("expected true or false")


_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,9})?)([dhms])")


def _duration(value: Any) -> int:
    """Less than a second is refused: as 0 it would mean the default, or never."""
    unfit = _Unfit("expected seconds or a duration such as 1h30m")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise unfit
    text = str(value)
    if re.fullmatch(f"(?:{_DURATION.pattern})+", text):
        total = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
    elif re.fullmatch(r"[+-]?[0-9]{1,19}(\.[0-9]{1,9})?", text):
        total = float(text)
    else:
        raise unfit
    if total < 0:
        raise _Unfit("expected a duration that is not negative")
    if 0 < total < 1:
        raise _Unfit("expected a duration of whole seconds")
    if total > SECONDS_MAX:
        raise _Unfit(f"expected a duration of at most {SECONDS_MAX} seconds")
    return int(total)


def _strings(value: Any) -> list[str]:
    items = (value.split(",") if value else []) if isinstance(value, str) else value
    if not isinstance(items, list):
        raise _Unfit("expected a list of texts")
    return [_text(item).strip() for item in items]


def _pairs(value: Any) -> dict[str, str]:
    if isinstance(value, dict):
        return {key: _text(item) for key, item in value.items()}
    pairs = {}
    for item in _strings(value):
        key, equals, text = item.partition("=")
        if not key or not equals:
            raise _Unfit("expected pairs such as key=value")
        pairs[key] = text
    return pairs


def _map(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise _Unfit("expected an object")


_READERS: dict[FieldType, Callable[[Any], Any]] = {
    FieldType.STRING: _text,
    FieldType.INT: _int,
    FieldType.BOOL: _bool,
    FieldType.DURATION: _duration,
    FieldType.STRINGS: _strings,
    FieldType.PAIRS: _pairs,
    FieldType.MAP: _map,
}
