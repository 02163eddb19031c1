"""The engine in plain Python, with the helper's doubles for everything outside."""

import unittest
from typing import Any

from engine import BACKEND
from helper.backend import Lease, Operation, Response
from helper.errors import EngineError, HttpError, Reason
from helper.host import HttpAnswer
from helper.testing import TestHost, check_table, lease_request, request


class EngineTest(unittest.TestCase):
    def setUp(self) -> None:
        self.host = TestHost()

    def ask(self, operation: Operation, path: str, **data: Any) -> Response | None:
        return BACKEND.handle(self.host, request(operation, path, **data))

    def data(self, operation: Operation, path: str, **data: Any) -> Any:
        response = self.ask(operation, path, **data)
        return response and response.data

    def error(self, operation: Operation, path: str, **data: Any) -> str:
        error: str = self.data(operation, path, **data)["error"]
        return error

    def configured(self, answer: HttpAnswer) -> None:
        """Configures the mount, with an upstream that answers this."""
        self.host.http.answer = lambda _: answer
        self.ask(Operation.UPDATE, "config", url="https://visits.example.com/api/", token="0123456789abcdef")

    def test_the_table_is_in_order(self) -> None:
        self.assertEqual(check_table(BACKEND), [])
        self.assertEqual(BACKEND.checked_paths(), ["greetings/{name}"])

    def test_a_greeting_is_read_as_written(self) -> None:
        path = "greetings/alice"
        self.assertIs(BACKEND.check_existence(self.host, request(Operation.CREATE, path)), False)
        self.assertIsNone(self.ask(Operation.CREATE, path, text="Welcome"))
        self.assertEqual(self.data(Operation.READ, path), {"text": "Welcome"})
        self.assertEqual(self.data(Operation.LIST, "greetings/"), {"keys": ["alice"]})
        self.assertIsNone(self.ask(Operation.DELETE, path))
        self.assertIsNone(self.ask(Operation.READ, path))

    def test_a_greeting_needs_a_text(self) -> None:
        error = self.error(Operation.CREATE, "greetings/alice")
        self.assertEqual(error, "missing `text`: say what the visitor is told")
        self.assertEqual(self.host.storage.entries, {})

    def test_a_pass_lives_as_long_as_its_lease(self) -> None:
        self.ask(Operation.CREATE, "greetings/alice", text="Welcome")
        response = self.ask(Operation.READ, "passes/alice")
        assert response and response.secret
        self.assertEqual(len(self.host.storage.entries), 2)
        renew, revoke = (lease_request(operation, response.secret) for operation in (Operation.RENEW, Operation.REVOKE))

        renewed = BACKEND.handle(self.host, renew)
        assert renewed and renewed.secret
        self.assertEqual(renewed.secret.ttl, 600)
        self.assertIsNone(BACKEND.handle(self.host, revoke))
        self.assertEqual(list(self.host.storage.entries), ["greeting/alice"])
        # The server may revoke twice.
        self.assertIsNone(BACKEND.handle(self.host, revoke))
        ended = BACKEND.handle(self.host, renew)
        assert ended and ended.data
        self.assertIn("has ended", ended.data["error"])

    def test_a_pass_is_for_a_visitor_with_a_greeting(self) -> None:
        self.assertIn("write `greetings/bob` first", self.error(Operation.READ, "passes/bob"))

    def test_the_upstream_is_asked_about_a_visitor(self) -> None:
        self.configured(HttpAnswer(200, b'{"visits":3}'))
        self.assertEqual(self.data(Operation.READ, "visitors/a b"), {"visits": 3})
        self.assertEqual(self.host.http.requests[0].url, "https://visits.example.com/api/visitors/a%20b")
        self.assertEqual(self.data(Operation.READ, "config"), {"url": "https://visits.example.com/api"})

    def test_an_upstream_that_fails_is_a_fault_of_the_upstream(self) -> None:
        self.configured(HttpAnswer(404))
        self.assertIsNone(self.ask(Operation.READ, "visitors/alice"))
        for answer in (HttpAnswer(500), HttpAnswer(200, b"no JSON"), HttpAnswer(200, b'{"visits":"many"}')):
            self.configured(answer)
            with self.assertRaises(EngineError) as failed:
                self.ask(Operation.READ, "visitors/alice")
            self.assertEqual(failed.exception.code, 502)

        def refuse(_: object) -> HttpAnswer:
            raise HttpError(Reason.NOT_SENT, "connection-refused")

        self.host.http.answer = refuse
        with self.assertRaisesRegex(HttpError, r"\(connection-refused\)"):
            self.ask(Operation.READ, "visitors/alice")

    def test_a_config_needs_a_url_and_a_token(self) -> None:
        for config in ({"token": "t"}, {"url": "ftp://x", "token": "t"}, {"url": "https://x"}):
            self.assertTrue(self.error(Operation.UPDATE, "config", **config))
        self.assertIn("write `config` first", self.error(Operation.READ, "visitors/alice"))
        self.assertEqual(self.host.storage.entries, {})

    def test_help_names_the_paths_their_fields_and_the_operations(self) -> None:
        answer = self.data(Operation.HELP, "")
        self.assertIn("^passes/(?P<name>[^/]+)$", answer["help"])
        self.assertIn("requestBody", answer["openapi"]["paths"]["/greetings/{name}"]["post"])
        self.assertIn("## PARAMETERS", self.data(Operation.HELP, "config")["help"])

    def test_a_lease_of_another_kind_is_refused(self) -> None:
        lease = Lease({"secret_type": "other"})
        with self.assertRaisesRegex(EngineError, "unsupported by this backend"):
            BACKEND.handle(self.host, request(Operation.REVOKE, "", lease=lease))


if __name__ == "__main__":
    unittest.main()
