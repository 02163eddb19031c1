"""What an engine reaches of the outside. A component reaches the host (`component`), a test the doubles (`testing`)."""

import json
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Self

from .errors import internal
from .json_text import text_of

Names = list[str]
"""Names below a prefix, in order."""


@dataclass(frozen=True)
class Entry:
    """One stored value."""

    key: str
    value: bytes = field(repr=False)
    seal_wrap: bool = False
    """Whether the server's seal encrypts the entry a second time, if it can."""


class StorageView(ABC):
    """What storage and a transaction have in common. Keys have no leading slash."""

    @abstractmethod
    def get(self, key: str) -> Entry | None:
        """Reads an entry."""

    @abstractmethod
    def put(self, entry: Entry) -> None:
        """Writes an entry, and replaces one with the same key."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Deletes an entry; the deletion of one that does not exist succeeds."""

    @abstractmethod
    def list(self, prefix: str) -> Names:
        """The names of the direct children of a prefix, which is empty or ends in a slash."""

    @abstractmethod
    def list_page(self, prefix: str, after: str, limit: int) -> Names:
        """As `list`, from the first name greater than `after`, and at most so many."""

    def get_json(self, key: str) -> Any:
        """The value of an entry that holds JSON; `None` if there is no such entry."""
        entry = self.get(key)
        if entry is None:
            return None
        try:
            return json.loads(entry.value)
        except ValueError:
            # The error of the parser shows a part of the entry.
            raise internal(f"the entry `{key}` is damaged: write it again") from None

    def put_json(self, key: str, value: Any, *, seal_wrap: bool = False) -> None:
        """Stores a value as JSON."""
        self.put(Entry(key, text_of(value).encode(), seal_wrap))


class Transaction(StorageView):
    """Reads and writes that take effect together at `commit`, or not at all.

    A transaction ends with its `with` block.
    """

    @abstractmethod
    def commit(self) -> None:
        """Makes all writes take effect."""

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(self, *_: object) -> None:
        """Rolls back what was not committed."""


class Storage(StorageView):
    """The storage of the mount."""

    @abstractmethod
    def get_many(self, keys: list[str]) -> list[Entry | None]:
        """Reads several entries, in the time of one."""

    @abstractmethod
    def begin(self) -> Transaction | None:
        """Begins a transaction; `None` if the server has none, as Vault."""


class SystemView(ABC):
    """The mount and its server. Times are in seconds."""

    @abstractmethod
    def backend_uuid(self) -> str:
        """Identifies the mount for as long as it exists."""

    @abstractmethod
    def is_upstream_read_only(self) -> bool:
        """Whether the host refuses each request to the upstream but GET and HEAD."""

    @abstractmethod
    def is_tainted(self) -> bool:
        """Whether the server is removing the mount."""

    @abstractmethod
    def default_lease_ttl(self) -> int:
        """The time to live of leases whose response names none."""

    @abstractmethod
    def max_lease_ttl(self) -> int:
        """The longest time to live of any lease of the mount."""

    @abstractmethod
    def entity_name(self, entity_id: str) -> str | None:
        """The name of an identity entity."""

    @abstractmethod
    def generate_password(self, policy: str) -> str:
        """A password by one of the server's password policies."""


class Clock(ABC):
    """Time. Neither `time` nor `datetime` is wrong in a component, but a test moves this clock."""

    @abstractmethod
    def now(self) -> int:
        """Seconds since 1970."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Waits, at most until the deadline of the request."""


@dataclass(frozen=True)
class HttpRequest:
    """A request to an upstream. Redirects are answers, and nothing is retried."""

    method: str
    """`GET`, `POST`, `PUT`, `PATCH` or `DELETE`."""
    url: str
    """With a path in which names are escaped, see `path_segment`."""
    bearer: str | None = field(default=None, repr=False)
    """Sent as `Authorization: Bearer …`."""
    json: Any = field(default=None, repr=False)
    """The body; `None` means that there is none."""
    timeout: float = 20
    """Seconds for the whole exchange."""


@dataclass(frozen=True)
class HttpAnswer:
    """The answer of an upstream."""

    status: int
    body: bytes = field(default=b"", repr=False)

    def json(self) -> Any:
        """The body as JSON; a `ValueError` if it is none."""
        return json.loads(self.body)


class Http(ABC):
    """HTTP requests to upstreams that the host's egress policy allows."""

    @abstractmethod
    def check_origin(self, origin: str) -> None:
        """Raises an `HttpError` with a sentence for the operator if the policy refuses the origin."""

    @abstractmethod
    def send(self, request: HttpRequest) -> HttpAnswer:
        """Sends a request and reads the whole answer; an `HttpError` if there is none."""


class Host(ABC):
    """All of the outside."""

    storage: Storage
    system_view: SystemView
    clock: Clock
    http: Http

    @abstractmethod
    def lock(self, key: str) -> AbstractContextManager[object]:
        """Holds the lock on a key while a `with` block runs: no other request to the mount then holds it."""

    @abstractmethod
    def random(self, count: int) -> bytes:
        """Secure random bytes, at most 1,024, which no other request gets."""

    @abstractmethod
    def log(self, level: str, message: str, **fields: str) -> None:
        """Writes one line at `debug`, `info`, `warn` or `error`. Neither the message nor a field may contain a secret."""

    @abstractmethod
    def count(self, name: str, description: str, **labels: str) -> None:
        """Adds one to a counter of the mount. A label has few values, and none is a client's text."""
