"""The engine as the exports of a component, and the host over the imports. Only a component can load this file."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from types import TracebackType
from typing import Any, Never, TypeVar

from componentize_py_types import Err
from wit_world.exports import backend as wit_backend
from wit_world.imports import (
    backend_types as wit,
    counters,
    locks,
    logging,
    monotonic_clock,
    random,
    storage,
    system_view,
    wall_clock,
)

from . import host as outside
from .backend import Backend, Identity, Lease, Operation, Request, Response, Secret
from .errors import EngineError, HttpError, Kind, Reason, coded, internal
from .json_text import object_of, text_of

T = TypeVar("T")

NANOS = 1_000_000_000
"""In a second."""


def export_engine(engine: Backend, http: outside.Http | None = None) -> tuple[type, type]:
    """The exports `Backend` and `Existence` of a component. `declared` makes `Declaration`."""
    host = ComponentHost(http or NoHttp())

    class Exports:
        def describe(self) -> wit_backend.Description:
            return _description(engine)

        def handle_request(self, request: wit.Request) -> wit.Response | None:
            return _guarded(lambda: _wit_response(engine.handle(host, _request(request))))

        def check_existence(self, request: wit.Request) -> bool | None:
            return _guarded(lambda: engine.check_existence(host, _request(request)))

    class Existence:
        def checked_paths(self) -> list[str]:
            return engine.checked_paths()

    return Exports, Existence


class Bug(Exception):
    """A fault of the engine, without the text of the exception: the text may show data, a secret even."""


def _guarded(work: Callable[[], T]) -> T:
    """An error for the client goes to the server; any other exception is a bug, and ends the request as a trap."""
    try:
        return work()
    except EngineError as error:
        raise Err(_wit_error(error)) from None
    except BaseException as bug:
        kind, place = type(bug).__name__, _place(bug.__traceback__)
        logging.log(logging.Level.ERROR, "the engine raised an exception", [("exception", kind), ("place", place)])
        raise Bug(f"{kind} at {place}") from None


def _place(traceback: TracebackType | None) -> str:
    place = "an unknown place"
    while traceback is not None:
        place = f"{traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place


def _wit_error(error: EngineError) -> wit.Error:
    match error.kind:
        case Kind.PLAIN:
            return wit.Error_Plain(error.message)
        case Kind.INTERNAL:
            return wit.Error_Internal(error.message)
        case Kind.CODED:
            return wit.Error_Coded(wit.CodedError(error.code, error.message))
        case Kind.BAD_REQUEST:
            return wit.Error_BadRequest(error.message)
        case Kind.UNSUPPORTED_OPERATION:
            return wit.Error_UnsupportedOperation()
        case Kind.UNSUPPORTED_PATH:
            return wit.Error_UnsupportedPath()
        case Kind.PERMISSION_DENIED:
            return wit.Error_PermissionDenied()


def _description(engine: Backend) -> wit_backend.Description:
    special = {name: list(paths) for name, paths in asdict(engine.special_paths).items()}
    return wit_backend.Description(
        name=engine.name,
        version=engine.version,
        special_paths=wit_backend.SpecialPaths(**special),
        secret_kinds=[secret.kind for secret in engine.secrets],
        storage_versions=wit_backend.StorageVersions(**asdict(engine.storage_versions)),
    )


def _request(request: wit.Request) -> Request:
    return Request(
        operation=Operation[request.operation.name],
        path=request.path,
        data=object_of("data", request.data),
        id=request.id,
        mount_point=request.mount_point,
        identity=Identity(**vars(request.identity)),
        lease=None if request.lease is None else _lease(request.lease),
    )


def _lease(lease: wit.Lease) -> Lease:
    return Lease(
        internal_data=object_of("internal data of the lease", lease.internal_data),
        id=lease.id,
        issue_time=lease.issue_time,
        ttl=lease.ttl // NANOS,
        max_ttl=lease.max_ttl // NANOS,
        increment=lease.increment // NANOS,
        renewable=lease.renewable,
    )


def _wit_response(response: Response | None) -> wit.Response | None:
    if response is None:
        return None
    data = None if response.data is None else text_of(dict(response.data))
    secret = None if response.secret is None else _wit_secret(response.secret)
    return wit.Response(data=data, warnings=list(response.warnings), secret=secret, headers=[])


def _wit_secret(secret: Secret) -> wit.Secret:
    return wit.Secret(
        ttl=secret.ttl * NANOS,
        max_ttl=secret.max_ttl * NANOS,
        renewable=secret.renewable,
        internal_data=text_of(dict(secret.internal_data) | {"secret_type": secret.kind}),
    )


def _stored(work: Callable[[], T]) -> T:
    """A call of storage. A standby knows by the server's text that it must forward a write, so the text stays as it is."""
    try:
        return work()
    except Err as error:
        if isinstance(error.value, storage.Error_Limit):
            raise internal(error.value.value) from None
        raise EngineError(Kind.PLAIN, error.value.value) from None


def _asked(function: str, work: Callable[[], T]) -> T:
    """A question to the server, by a function of the interface."""
    try:
        return work()
    except Err as error:
        if isinstance(error.value, system_view.Error_Failed):
            raise internal(error.value.value) from None
        raise internal(f"the server does not offer `{function}`") from None


def _entry(entry: storage.Entry | None) -> outside.Entry | None:
    return None if entry is None else outside.Entry(entry.key, bytes(entry.value), entry.seal_wrap)


class _View(outside.StorageView):
    """The calls that storage and a transaction have in common."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def get(self, key: str) -> outside.Entry | None:
        return _entry(_stored(lambda: self._target.get(key)))

    def put(self, entry: outside.Entry) -> None:
        _stored(lambda: self._target.put(storage.Entry(entry.key, entry.value, entry.seal_wrap)))

    def delete(self, key: str) -> None:
        _stored(lambda: self._target.delete(key))

    def list(self, prefix: str) -> outside.Names:
        return _stored(lambda: self._target.list(prefix))

    def list_page(self, prefix: str, after: str, limit: int) -> outside.Names:
        return _stored(lambda: self._target.list_page(prefix, after, limit))


class _Transaction(_View, outside.Transaction):
    def commit(self) -> None:
        _stored(self._target.commit)

    def __exit__(self, *_: object) -> None:
        # The host rolls back what was not committed.
        self._target.__exit__(None, None, None)


class _Storage(_View, outside.Storage):
    def __init__(self) -> None:
        super().__init__(storage)

    def get_many(self, keys: list[str]) -> list[outside.Entry | None]:
        return [_entry(entry) for entry in _stored(lambda: storage.get_many(keys))]

    def begin(self) -> outside.Transaction | None:
        transaction = _stored(storage.begin)
        return None if transaction is None else _Transaction(transaction)


class _SystemView(outside.SystemView):
    def backend_uuid(self) -> str:
        return system_view.backend_uuid()

    def is_upstream_read_only(self) -> bool:
        return ("upstream", "read-only") in system_view.mount_options()

    def is_tainted(self) -> bool:
        return _asked("tainted", system_view.tainted)

    def default_lease_ttl(self) -> int:
        return _asked("default-lease-ttl", system_view.default_lease_ttl) // NANOS

    def max_lease_ttl(self) -> int:
        return _asked("max-lease-ttl", system_view.max_lease_ttl) // NANOS

    def entity_name(self, entity_id: str) -> str | None:
        entity = _asked("entity-info", lambda: system_view.entity_info(entity_id))
        return None if entity is None else entity.name

    def generate_password(self, policy: str) -> str:
        return _asked("generate-password", lambda: system_view.generate_password(policy))


class _Clock(outside.Clock):
    def now(self) -> int:
        return wall_clock.now().seconds

    def sleep(self, seconds: float) -> None:
        with monotonic_clock.subscribe_duration(round(seconds * NANOS)) as over:
            over.block()


class NoHttp(outside.Http):
    """Stands where a module imports no HTTP."""

    def check_origin(self, origin: str) -> None:
        self._refuse()

    def send(self, request: outside.HttpRequest) -> Never:
        self._refuse()

    @staticmethod
    def _refuse() -> Never:
        raise HttpError(Reason.NOT_SENT, "the module imports no HTTP")


class ComponentHost(outside.Host):
    """The outside over the imports of the component."""

    def __init__(self, http: outside.Http) -> None:
        self.storage, self.system_view, self.clock, self.http = _Storage(), _SystemView(), _Clock(), http

    def lock(self, key: str) -> AbstractContextManager[object]:
        try:
            return locks.acquire(key)
        except Err as error:
            if isinstance(error.value, locks.Error_Limit):
                raise internal(error.value.value) from None
            raise coded(503, f"another request works on `{key}`: try again in a few seconds") from None

    def random(self, count: int) -> bytes:
        return bytes(random.get_random_bytes(count))

    def log(self, level: str, message: str, **fields: str) -> None:
        logging.log(logging.Level[level.upper()], message, list(fields.items()))

    def count(self, name: str, description: str, **labels: str) -> None:
        counters.add(name, description, list(labels.items()), 1)
