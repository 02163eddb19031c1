"""HTTP requests to an upstream, over `wasi:http`. Nothing is retried here. Only a component can load this file."""

import re
from typing import Any
from urllib.parse import urlsplit

from componentize_py_types import Err, Ok
from wit_world.imports import http_types as wit, monotonic_clock, outgoing_handler, poll, streams, system_view

from . import host as outside
from .errors import HttpError, Reason
from .json_text import text_of

ANSWER_BYTES_MAX = 1024 * 1024
"""Of an answer; the host has a limit for a whole request, too."""

PIECE_BYTES = 64 * 1024
"""Of one read or write."""

NANOS = 1_000_000_000
"""In a second."""

_METHODS: dict[str, wit.Method] = {
    "GET": wit.Method_Get(),
    "POST": wit.Method_Post(),
    "PUT": wit.Method_Put(),
    "PATCH": wit.Method_Patch(),
    "DELETE": wit.Method_Delete(),
}

_NOT_SENT = (
    wit.ErrorCode_DnsTimeout,
    wit.ErrorCode_DnsError,
    wit.ErrorCode_DestinationNotFound,
    wit.ErrorCode_DestinationUnavailable,
    wit.ErrorCode_DestinationIpUnroutable,
    wit.ErrorCode_ConnectionRefused,
    wit.ErrorCode_ConnectionTimeout,
    wit.ErrorCode_ConnectionLimitReached,
    wit.ErrorCode_TlsProtocolError,
    wit.ErrorCode_TlsCertificateError,
    wit.ErrorCode_TlsAlertReceived,
    wit.ErrorCode_HttpRequestLengthRequired,
    wit.ErrorCode_HttpRequestMethodInvalid,
    wit.ErrorCode_HttpRequestUriInvalid,
    wit.ErrorCode_HttpRequestUriTooLong,
    wit.ErrorCode_HttpRequestHeaderSectionSize,
    wit.ErrorCode_HttpRequestHeaderSize,
)
"""After these the upstream has certainly not acted."""

_TIMED_OUT = (
    wit.ErrorCode_ConnectionReadTimeout,
    wit.ErrorCode_ConnectionWriteTimeout,
    wit.ErrorCode_HttpResponseTimeout,
)

_HOSTS_WORDS = re.compile(
    r"not-sent:(tls-timeout|no-trusted-certificates"
    r"|proxy-(?:name|unreachable|timeout|credentials|protocol|closed|status:\d+))"
)
"""What the host says where `wasi:http` has no code."""


class Upstream(outside.Http):
    """The part `http` of the host."""

    def check_origin(self, origin: str) -> None:
        try:
            system_view.check_egress(origin)
        except Err as error:
            raise HttpError(Reason.DENIED, error.value) from None

    def send(self, request: outside.HttpRequest) -> outside.HttpAnswer:
        parts = urlsplit(request.url)
        if parts.scheme not in ("http", "https") or not parts.netloc or request.method not in _METHODS:
            raise HttpError(Reason.NOT_SENT, "the URL or the method is none of HTTP")
        origin = f"{parts.scheme}://{parts.netloc}"
        try:
            return _exchange(request, parts.scheme, parts.netloc, parts.path or "/", parts.query)
        except Err as error:
            raise self._error(request, origin, error.value) from None

    def _error(self, request: outside.HttpRequest, origin: str, code: Any) -> HttpError:
        match code:
            case wit.ErrorCode_HttpRequestDenied() | wit.ErrorCode_DestinationIpProhibited():
                self.check_origin(origin)
                if request.method != "GET" and ("upstream", "read-only") in system_view.mount_options():
                    return HttpError(Reason.DENIED, "nothing was sent: this mount may only read from its upstream")
                text = f"the host refuses requests to `{origin}`, or the addresses of its name"
                return HttpError(Reason.DENIED, text)
            case None:
                return HttpError(Reason.NOT_SENT, "the host refuses its URL, method or headers")
            case wit.ErrorCode_InternalError(str() as text) if words := _HOSTS_WORDS.fullmatch(text):
                return HttpError(Reason.NOT_SENT, words[1])
        if isinstance(code, _NOT_SENT):
            return HttpError(Reason.NOT_SENT, _word(code))
        if isinstance(code, _TIMED_OUT):
            return HttpError(Reason.TIMED_OUT, "no answer in time")
        return HttpError(Reason.LOST, "the answer was lost")


def _word(code: Any) -> str:
    """`connection-refused` of `ErrorCode_ConnectionRefused`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(code).__name__.removeprefix("ErrorCode_")).lower()


def _exchange(
    request: outside.HttpRequest, scheme: str, authority: str, path: str, query: str
) -> outside.HttpAnswer:
    ends = monotonic_clock.now() + round(request.timeout * NANOS)
    body = None if request.json is None else text_of(request.json).encode()
    outgoing = wit.OutgoingRequest(_headers(request.bearer, body))
    outgoing.set_method(_METHODS[request.method])
    outgoing.set_scheme(wit.Scheme_Https() if scheme == "https" else wit.Scheme_Http())
    outgoing.set_authority(authority)
    outgoing.set_path_with_query(f"{path}?{query}" if query else path)
    # A request without a body is not even asked for one: HTTP/1.1 would announce an empty one in chunks.
    sink = None if body is None else outgoing.body()
    options = wit.RequestOptions()
    # The host knows best what a connection waits for, so its time ends first.
    options.set_connect_timeout(round(request.timeout * 0.8 * NANOS))
    with outgoing_handler.handle(outgoing, options) as future:
        if sink is not None and body is not None:
            _write(sink, body, ends)
        with _answer(future, ends) as response:
            return outside.HttpAnswer(response.status(), _read(response, ends))


def _headers(bearer: str | None, body: bytes | None) -> wit.Fields:
    headers = {"accept": "application/json", "user-agent": "secrets-engine"}
    if bearer is not None:
        headers["authorization"] = f"Bearer {bearer}"
    if body is not None:
        headers |= {"content-type": "application/json", "content-length": str(len(body))}
    return wit.Fields.from_list([(name, value.encode()) for name, value in headers.items()])


def _write(sink: wit.OutgoingBody, body: bytes, ends: int) -> None:
    """An upstream may answer without reading the body; why a write failed is told by the answer."""
    try:
        with sink.write() as stream:
            while body:
                room = min(stream.check_write(), PIECE_BYTES)
                if room == 0:
                    _wait(stream, ends)
                    continue
                stream.write(body[:room])
                body = body[room:]
            stream.flush()
        wit.OutgoingBody.finish(sink, None)
    except Err:
        return


def _answer(future: wit.FutureIncomingResponse, ends: int) -> wit.IncomingResponse:
    while True:
        match future.get():
            case None:
                _wait(future, ends)
            case Ok(Ok(response)):
                return response
            case Ok(Err(code)):
                raise Err(code)
            case _:
                raise HttpError(Reason.LOST, "the answer was lost")


def _read(response: wit.IncomingResponse, ends: int) -> bytes:
    pieces: list[bytes] = []
    length = 0
    with response.consume() as body, body.stream() as stream:
        while True:
            try:
                piece = stream.read(PIECE_BYTES)
            except Err as error:
                if isinstance(error.value, streams.StreamError_Closed):
                    return b"".join(pieces)
                raise Err(wit.http_error_code(error.value.value) or wit.ErrorCode_HttpProtocolError()) from None
            if not piece:
                _wait(stream, ends)
            length += len(piece)
            if length > ANSWER_BYTES_MAX:
                raise HttpError(Reason.TOO_LARGE, f"the answer has more than {ANSWER_BYTES_MAX} bytes")
            pieces.append(piece)


def _wait(source: Any, ends: int) -> None:
    """Waits until there is something to do, or the time is over."""
    with source.subscribe() as ready, monotonic_clock.subscribe_instant(ends) as over:
        if 0 not in poll.poll([ready, over]):
            raise HttpError(Reason.TIMED_OUT, "no answer in time")
