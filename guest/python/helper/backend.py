"""An engine as one table, and the way of a request through the table.

Nothing here reaches the outside: handlers get the host in their context, so tests run them in plain Python.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any
from urllib.parse import quote

from . import help as help_texts
from .declaration import SecretClass
from .errors import EngineError, Kind, coded
from .fields import Field, coerced
from .host import Host


class Operation(Enum):
    """What the server asks for."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    PATCH = "patch"
    DELETE = "delete"
    LIST = "list"
    HELP = "help"
    RENEW = "renew"
    REVOKE = "revoke"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Identity:
    """The client, as far as the server names it; all empty on renew, revoke and rollback."""

    display_name: str = ""
    entity_id: str = ""
    token_accessor: str = ""
    remote_address: str = ""


@dataclass(frozen=True)
class Lease:
    """The lease that is renewed or revoked. All times are in seconds."""

    internal_data: Mapping[str, Any] = field(repr=False)
    """What the engine gave with the secret."""
    id: str = ""
    """Empty on renew."""
    issue_time: int = 0
    ttl: int = 0
    """As granted last."""
    max_ttl: int = 0
    """0 means the maximum of the mount."""
    increment: int = 0
    """What the client asks for on renew; 0 means nothing."""
    renewable: bool = True


@dataclass(frozen=True)
class Request:
    """One request."""

    operation: Operation
    path: str
    """Below the mount, without a leading slash."""
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The fields that the client sent."""
    id: str = ""
    """As in the audit log; empty on renew, revoke and rollback."""
    mount_point: str = ""
    """With a trailing slash."""
    identity: Identity = Identity()
    lease: Lease | None = None
    """On renew and revoke."""


@dataclass(frozen=True)
class Secret:
    """Asks the server to lease the response. All times are in seconds; 0 means that of the mount."""

    kind: str
    internal_data: Mapping[str, Any] = field(repr=False)
    """Comes back on renew and revoke."""
    ttl: int = 0
    max_ttl: int = 0
    renewable: bool = True


@dataclass(frozen=True)
class Response:
    """A response. `None` instead of one means status 204 for a write, 404 for a read or a list."""

    data: Mapping[str, Any] | None = field(default=None, repr=False)
    secret: Secret | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Context:
    """What a handler gets beside the fields."""

    host: Host
    request: Request


Handler = Callable[[Context, dict[str, Any]], Response | None]
LeaseHandler = Callable[[Context, Lease], Response | None]
ExistenceCheck = Callable[[Context, dict[str, Any]], bool]
Periodic = Callable[[Context, bool], None]


@dataclass(frozen=True)
class OperationSpec:
    """One operation of a path."""

    handler: Handler
    summary: str
    answers: tuple[Field, ...] = ()
    """Fields of the answer, for OpenAPI; none means that there is no body."""


@dataclass(frozen=True)
class Path:
    """A path."""

    pattern: str
    """Such as `roles/:name`; `:name` is one segment, and a field."""
    operations: Mapping[Operation, OperationSpec]
    synopsis: str
    description: str = ""
    fields: tuple[Field, ...] = ()
    """Those of the pattern, too."""
    list: bool = False
    """Whether the path also matches with a slash at its end."""
    existence_check: ExistenceCheck | None = None
    """Tells a create from an update, and changes nothing; without it each write is an update."""

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it, without a leading slash."""
        return "/".join(f"{{{part[1:]}}}" if part.startswith(":") else part for part in self.pattern.split("/"))

    def captures(self, requested: str) -> dict[str, str] | None:
        """What the path captures of a request's path; `None` if the path does not match."""
        wanted, parts = self.pattern.split("/"), requested.split("/")
        if self.list and len(parts) == len(wanted) + 1 and parts[-1] == "":
            parts.pop()
        if len(parts) != len(wanted):
            return None
        captures = {}
        for segment, part in zip(wanted, parts, strict=True):
            if segment.startswith(":") and part:
                captures[segment[1:]] = part
            elif segment != part:
                return None
        return captures


@dataclass(frozen=True)
class SecretKind:
    """A kind of leased secrets."""

    kind: str
    revoke: LeaseHandler
    """The server repeats a revocation after a fault, so revoking what has ended succeeds."""
    renew: LeaseHandler | None = None
    """Without it the secret is not renewable."""


@dataclass(frozen=True)
class SpecialPaths:
    """Paths and storage keys that the server treats in its own way."""

    root: tuple[str, ...] = ()
    unauthenticated: tuple[str, ...] = ()
    local_storage: tuple[str, ...] = ()
    seal_wrap_storage: tuple[str, ...] = ()


@dataclass(frozen=True)
class StorageVersions:
    """Versions of the stored form: raise them when the form changes, so that the host knows whether it could revert an update."""

    written: int = 1
    readable_from: int = 1


@dataclass(frozen=True)
class Backend:
    """An engine."""

    name: str
    version: str
    """A semantic version: raise it with each change."""
    help: str
    paths: tuple[Path, ...]
    secrets: tuple[SecretKind, ...] = ()
    secret_classes: tuple[SecretClass, ...] = ()
    """Values that the host keeps from the engine."""
    special_paths: SpecialPaths = SpecialPaths()
    storage_versions: StorageVersions = StorageVersions()
    periodic: Periodic | None = None
    """The server asks for it about once a minute; `True` means that the server is disabling the mount."""

    def handle(self, host: Host, request: Request) -> Response | None:
        """Serves one request."""
        context = Context(host, request)
        match request.operation:
            case Operation.ROLLBACK:
                if self.periodic is not None:
                    self.periodic(context, bool(request.data.get("immediate")))
                return None
            case Operation.HELP:
                path = self._route(request.path)[0] if request.path else None
                return Response(help_texts.of(self, request, path))
        try:
            if request.operation in (Operation.RENEW, Operation.REVOKE):
                return self._handle_lease(context)
            return self._handle_path(context)
        except EngineError as error:
            # A mistake of the client goes to the server as an answer, as the server's own framework sends it.
            if error.kind is Kind.BAD_REQUEST:
                return Response({"error": error.message})
            raise

    def check_existence(self, host: Host, request: Request) -> bool | None:
        """Whether the thing that a write names exists; `None` if its path has no check, or the check failed."""
        try:
            path, captures = self._route(request.path)
            if path.existence_check is None:
                return None
            return path.existence_check(Context(host, request), coerced(path.fields, request.data, captures))
        except EngineError as error:
            host.log("warn", "an existence check failed, so the write counts as an update", error=error.message)
            return None

    def checked_paths(self) -> list[str]:
        """The paths that have an existence check, as the host wants them."""
        checked = [path for path in self.paths if path.existence_check is not None]
        return [template for path in checked for template in [path.template] + [f"{path.template}/"] * path.list]

    def _handle_path(self, context: Context) -> Response | None:
        request = context.request
        path, captures = self._route(request.path)
        operation = path.operations.get(request.operation)
        if operation is None:
            raise EngineError(Kind.UNSUPPORTED_OPERATION, "unsupported operation")
        data = coerced(path.fields, request.data, captures)
        # A write whose existence check failed comes as an update, and the client may have the permission to update only.
        if request.operation is Operation.UPDATE and path.existence_check and not path.existence_check(context, data):
            text = f"`{request.path}` does not exist, and the server could not know that: send the request again"
            raise coded(503, text)
        response = operation.handler(context, data)
        warnings = _ignored(path, request)
        is_done = request.operation in (Operation.CREATE, Operation.UPDATE, Operation.DELETE)
        if not warnings or (response is None and not is_done):
            return response
        response = response or Response()
        return replace(response, warnings=response.warnings + warnings)

    def _handle_lease(self, context: Context) -> Response | None:
        lease = context.request.lease
        kind = lease.internal_data.get("secret_type") if lease else None
        known = next((secret for secret in self.secrets if secret.kind == kind), None)
        if lease is None or known is None:
            raise EngineError(Kind.PLAIN, "secret is unsupported by this backend")
        handler = known.revoke if context.request.operation is Operation.REVOKE else known.renew
        if handler is None:
            raise EngineError(Kind.UNSUPPORTED_OPERATION, "unsupported operation")
        return handler(context, lease)

    def _route(self, requested: str) -> tuple[Path, dict[str, str]]:
        for path in self.paths:
            captures = path.captures(requested)
            if captures is not None:
                return path, captures
        raise EngineError(Kind.UNSUPPORTED_PATH, "unsupported path")


def _ignored(path: Path, request: Request) -> tuple[str, ...]:
    """What the client sent in vain, in the server's words."""
    names = sorted(set(request.data) - {known.name for known in path.fields})
    return (f"Endpoint ignored these unrecognized parameters: [{' '.join(names)}]",) if names else ()


def path_segment(text: str) -> str:
    """`text` as one segment of a URL's path. A segment of dots alone would be a step within the path."""
    escaped = quote(text, safe="")
    return escaped.replace(".", "%2E") if escaped.strip(".") == "" else escaped
