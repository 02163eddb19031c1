"""Stand-ins for the outside, for the tests of an engine in plain Python."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from .backend import Backend, Identity, Lease, Operation, Path, Request, Secret
from .errors import EngineError, HttpError, Kind, Reason
from .host import (
    Clock,
    Entry,
    Host,
    Http,
    HttpAnswer,
    HttpRequest,
    Names,
    Storage,
    StorageView,
    SystemView,
    Transaction,
)


class TestView(StorageView):
    """Entries in memory."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.failure: str | None = None
        """If set, each call fails with this text."""

    def get(self, key: str) -> Entry | None:
        self._check()
        return self.entries.get(key)

    def put(self, entry: Entry) -> None:
        self._check()
        self.entries[entry.key] = entry

    def delete(self, key: str) -> None:
        self._check()
        self.entries.pop(key, None)

    def list(self, prefix: str) -> Names:
        self._check()
        below = [key.removeprefix(prefix) for key in self.entries if key.startswith(prefix)]
        return sorted({re.sub(r"/.*", "/", rest, flags=re.DOTALL) for rest in below})

    def list_page(self, prefix: str, after: str, limit: int) -> Names:
        return [name for name in self.list(prefix) if name > after][:limit]

    def _check(self) -> None:
        if self.failure is not None:
            raise EngineError(Kind.PLAIN, self.failure)


class TestTransaction(TestView, Transaction):
    """A copy of the entries, which takes their place at the commit."""

    def __init__(self, storage: "TestStorage") -> None:
        super().__init__()
        self._storage = storage
        self.entries = dict(storage.entries)

    def commit(self) -> None:
        self._storage.put_all(self.entries)

    def __exit__(self, *_: object) -> None:
        self.entries = {}


class TestStorage(TestView, Storage):
    """The storage of a mount."""

    def __init__(self) -> None:
        super().__init__()
        self.has_transactions = False
        """OpenBao has transactions, Vault has none."""

    def get_many(self, keys: list[str]) -> list[Entry | None]:
        return [self.get(key) for key in keys]

    def begin(self) -> Transaction | None:
        self._check()
        return TestTransaction(self) if self.has_transactions else None

    def put_all(self, entries: dict[str, Entry]) -> None:
        """Takes these entries instead of its own."""
        self._check()
        self.entries = dict(entries)


class TestSystemView(SystemView):
    """A mount of a server with its usual settings."""

    def __init__(self) -> None:
        self.read_only = False
        self.tainted = False
        self._passwords = 0

    def backend_uuid(self) -> str:
        return "11111111-2222-4333-8444-555555555555"

    def is_upstream_read_only(self) -> bool:
        return self.read_only

    def is_tainted(self) -> bool:
        return self.tainted

    def default_lease_ttl(self) -> int:
        return 2764800

    def max_lease_ttl(self) -> int:
        return 2764800

    def entity_name(self, entity_id: str) -> str | None:
        return f"name-of-{entity_id}" if entity_id else None

    def generate_password(self, policy: str) -> str:
        self._passwords += 1
        return f"password-{self._passwords}-by-{policy}"


class TestClock(Clock):
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = 1767225600.0

    def now(self) -> int:
        return int(self.time)

    def sleep(self, seconds: float) -> None:
        self.time += seconds


class TestHttp(Http):
    """An upstream that answers as a test says."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        """All so far."""
        self.answer: Callable[[HttpRequest], HttpAnswer] = self._no_answer
        """May raise an `HttpError`."""

    def check_origin(self, origin: str) -> None:
        """Allows each origin."""

    def send(self, request: HttpRequest) -> HttpAnswer:
        self.requests.append(request)
        return self.answer(request)

    @staticmethod
    def _no_answer(request: HttpRequest) -> HttpAnswer:
        raise HttpError(Reason.NOT_SENT, "this test has no HTTP answer")


class TestHost(Host):
    """One mount, with all of the outside in memory."""

    storage: TestStorage
    system_view: TestSystemView
    clock: TestClock
    http: TestHttp

    def __init__(self) -> None:
        self.storage, self.system_view, self.clock, self.http = TestStorage(), TestSystemView(), TestClock(), TestHttp()
        self.locked: list[str] = []
        """The keys of all locks so far."""
        self.lines: list[tuple[str, str, dict[str, str]]] = []
        """What was logged: level, message, fields."""
        self.counted: list[tuple[str, dict[str, str]]] = []
        """What was counted: names and labels."""
        self._random = 0

    def lock(self, key: str) -> AbstractContextManager[object]:
        self.locked.append(key)
        return nullcontext()

    def random(self, count: int) -> bytes:
        """Bytes that are the same in each run."""
        self._random += count
        return bytes(number % 256 for number in range(self._random - count, self._random))

    def log(self, level: str, message: str, **fields: str) -> None:
        self.lines.append((level, message, fields))

    def count(self, name: str, description: str, **labels: str) -> None:
        self.counted.append((name, labels))


def request(operation: Operation, path: str, /, lease: Lease | None = None, **data: Any) -> Request:
    """A request as the server sends it."""
    return Request(
        operation=operation,
        path=path,
        data=data,
        id="00000000-0000-4000-8000-000000000001",
        mount_point="test/",
        identity=Identity(display_name="userpass-alice", remote_address="127.0.0.1"),
        lease=lease,
    )


def lease_request(operation: Operation, secret: Secret) -> Request:
    """A renew or revoke of a secret that a response had."""
    internal_data = dict(secret.internal_data) | {"secret_type": secret.kind}
    lease = Lease(internal_data, ttl=secret.ttl, max_ttl=secret.max_ttl, renewable=secret.renewable)
    return request(operation, "", lease=lease)


def check_table(backend: Backend) -> list[str]:
    """What is wrong in the table of an engine: an empty list if all is well."""
    problems = []
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", backend.name):
        problems.append(f"the name `{backend.name}` is no name of an engine")
    if not re.match(r"\d+\.\d+\.\d+", backend.version):
        problems.append(f"the version `{backend.version}` is no semantic version")
    for path in backend.paths:
        problems += [f"{path.pattern}: {problem}" for problem in _problems(path)]
    return problems


def _problems(path: Path) -> list[str]:
    problems = [] if path.synopsis else ["it has no synopsis"]
    names = [known.name for known in path.fields]
    problems += [f"`{name}` is twice a field" for name in set(names) if names.count(name) > 1]
    captured = [segment[1:] for segment in path.pattern.split("/") if segment.startswith(":")]
    problems += [f"`{name}` of the pattern is no field" for name in captured if name not in names]
    problems += [f"{name.value} needs a summary" for name, spec in path.operations.items() if not spec.summary]
    if Operation.CREATE in path.operations and path.existence_check is None:
        problems.append("a create needs an existence check")
    return problems
