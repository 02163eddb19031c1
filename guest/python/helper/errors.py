"""Why a request failed: one kind for each case that the server tells apart.

Any other exception that a handler raises is a bug: the request ends as a trap, and the log names the place.
"""

from enum import Enum


class Kind(Enum):
    """The cases of `error` in `secrets-engine:backend/types`."""

    PLAIN = "plain"
    INTERNAL = "internal"
    CODED = "coded"
    BAD_REQUEST = "bad-request"
    UNSUPPORTED_OPERATION = "unsupported-operation"
    UNSUPPORTED_PATH = "unsupported-path"
    PERMISSION_DENIED = "permission-denied"


class EngineError(Exception):
    """An error for the client. The client reads the message, so nothing secret belongs in the message."""

    def __init__(self, kind: Kind, message: str, code: int = 500) -> None:
        """`code` is the HTTP status, from 400 to 599, of the kind `CODED`."""
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.code = code


def mistake(message: str) -> EngineError:
    """A mistake of the client: status 400. The text names the cause, the object and the next step."""
    return EngineError(Kind.BAD_REQUEST, message)


def coded(code: int, message: str) -> EngineError:
    """An error with a status of its own."""
    return EngineError(Kind.CODED, message, code)


def conflict(message: str) -> EngineError:
    """A conflict with what is there already: status 409."""
    return coded(409, message)


def internal(message: str) -> EngineError:
    """A fault of the engine: status 500."""
    return EngineError(Kind.INTERNAL, message)


class Reason(Enum):
    """Why an HTTP request has no answer."""

    DENIED = "denied"
    NOT_SENT = "not-sent"
    TIMED_OUT = "timed-out"
    TOO_LARGE = "too-large"
    LOST = "lost"


class HttpError(EngineError):
    """An HTTP request has no answer. A handler that does not catch the error answers status 502 or 504, or 400 if denied."""

    def __init__(self, reason: Reason, message: str) -> None:
        if reason is Reason.DENIED:
            super().__init__(Kind.BAD_REQUEST, message)
        else:
            code = 504 if reason is Reason.TIMED_OUT else 502
            super().__init__(Kind.CODED, f"the upstream could not be asked ({message}): try again later", code)
        self.reason = reason

    @property
    def may_have_acted(self) -> bool:
        """Whether the upstream may have acted on the request."""
        return self.reason not in (Reason.DENIED, Reason.NOT_SENT)
