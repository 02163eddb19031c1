"""JSON of clients and of the server. No error shows content: the content may be secret."""

import json
import re
from typing import Any

from .errors import mistake

NESTING_MAX = 64
"""Lists and objects in one another: the stack of a request has room for a few hundred."""


def object_of(what: str, text: str) -> dict[str, Any]:
    """A JSON object, or `null` for an empty one."""
    if _nesting(text) > NESTING_MAX:
        raise mistake(f"the {what} must not nest lists and objects more than {NESTING_MAX} deep")
    try:
        value = json.loads(text)
    except ValueError:
        raise mistake(f"the {what} cannot be parsed as JSON") from None
    if value is not None and not isinstance(value, dict):
        raise mistake(f"the {what} must be a JSON object")
    return value or {}


def text_of(value: Any) -> str:
    """A value as JSON."""
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _nesting(text: str) -> int:
    """How deep lists and objects are in one another; 0 if there are too few of them to be deep."""
    if text.count("[") + text.count("{") <= NESTING_MAX:
        return 0
    depth, deepest, is_string = 0, 0, False
    for token in re.finditer(r'\\.|["\[\]{}]', text, re.DOTALL):
        match token[0]:
            case '"':
                is_string = not is_string
            case "[" | "{" if not is_string:
                depth += 1
                deepest = max(deepest, depth)
            case "]" | "}" if not is_string:
                depth -= 1
    return deepest
