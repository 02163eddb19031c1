"""The way of a request through the table of an engine."""

import unittest
from dataclasses import replace
from typing import Any

from helper.backend import (
    Backend,
    Context,
    Lease,
    Operation,
    OperationSpec,
    Path,
    Response,
    Secret,
    SecretKind,
    path_segment,
)
from helper.errors import EngineError, HttpError, Kind, Reason, conflict, mistake
from helper.fields import Field, FieldType
from helper.testing import TestHost, check_table, lease_request, request

NAME = Field("name", FieldType.STRING, "Name of the thing.", required=True)
SIZE = Field("size", FieldType.INT, "Size of the thing.", default=1)


def write(context: Context, data: dict[str, Any]) -> Response | None:
    if data["size"] == 0:
        raise mistake("`size` must not be 0")
    if data["size"] == 9:
        raise conflict("`size` is taken")
    context.host.storage.put_json(f"thing/{data['name']}", data["size"])
    return Response({"size": data["size"]}) if data["size"] == 5 else None


def read(context: Context, data: dict[str, Any]) -> Response | None:
    size = context.host.storage.get_json(f"thing/{data['name']}")
    return size and Response({"size": size}, secret=Secret("thing", {"name": data["name"]}, ttl=60))


def exists(context: Context, data: dict[str, Any]) -> bool:
    return context.host.storage.get(f"thing/{data['name']}") is not None


def revoke(context: Context, lease: Lease) -> Response | None:
    context.host.storage.delete(f"thing/{lease.internal_data['name']}")
    return None


def periodic(context: Context, is_immediate: bool) -> None:
    context.host.count("runs_total", "Runs.", immediate=str(is_immediate).lower())


THING = Path(
    pattern="things/:name",
    fields=(NAME, SIZE),
    operations={
        Operation.CREATE: OperationSpec(write, "Make a thing."),
        Operation.UPDATE: OperationSpec(write, "Change a thing."),
        Operation.READ: OperationSpec(read, "Read a thing.", answers=(SIZE,)),
    },
    existence_check=exists,
    synopsis="Manage a thing.",
)
BACKEND = Backend(
    name="toy", version="1.2.3", help="Things.", paths=(THING,), secrets=(SecretKind("thing", revoke),), periodic=periodic
)


class BackendTest(unittest.TestCase):
    def setUp(self) -> None:
        self.host = TestHost()

    def ask(self, operation: Operation, path: str, **data: Any) -> Response | None:
        return BACKEND.handle(self.host, request(operation, path, **data))

    def assert_kind(self, kind: Kind, operation: Operation, path: str, **data: Any) -> EngineError:
        with self.assertRaises(EngineError) as raised:
            self.ask(operation, path, **data)
        self.assertIs(raised.exception.kind, kind)
        return raised.exception

    def test_unknown_paths_and_operations_are_told_apart(self) -> None:
        for path in ("things", "things/", "things/a/b", "other/a", ""):
            self.assert_kind(Kind.UNSUPPORTED_PATH, Operation.READ, path)
        self.assert_kind(Kind.UNSUPPORTED_OPERATION, Operation.DELETE, "things/a")

    def test_a_list_also_matches_with_a_slash_at_its_end(self) -> None:
        path = replace(THING, pattern="things", list=True)
        self.assertEqual((path.captures("things"), path.captures("things/"), path.captures("things//")), ({}, {}, None))
        self.assertEqual(replace(BACKEND, paths=(path,)).checked_paths(), ["things", "things/"])

    def test_a_mistake_is_an_answer_and_any_other_error_is_raised(self) -> None:
        refused = self.ask(Operation.CREATE, "things/a", size=0)
        assert refused
        self.assertEqual(refused.data, {"error": "`size` must not be 0"})
        self.assertEqual(self.assert_kind(Kind.CODED, Operation.CREATE, "things/a", size=9).code, 409)
        self.host.storage.failure = "the disk is full"
        self.assertEqual(self.assert_kind(Kind.PLAIN, Operation.READ, "things/a").message, "the disk is full")

    def test_an_update_of_nothing_creates_nothing(self) -> None:
        self.assertEqual(self.assert_kind(Kind.CODED, Operation.UPDATE, "things/a", size=2).code, 503)
        self.assertEqual(self.host.storage.entries, {})
        self.ask(Operation.CREATE, "things/a", size=2)
        self.assertIsNone(self.ask(Operation.UPDATE, "things/a", size=3))

    def test_an_existence_check_that_fails_answers_nothing_and_is_logged(self) -> None:
        self.host.storage.failure = "the disk is full"
        self.assertIsNone(BACKEND.check_existence(self.host, request(Operation.CREATE, "things/a")))
        self.assertEqual(self.host.lines[0][2], {"error": "the disk is full"})
        self.assertIsNone(BACKEND.check_existence(TestHost(), request(Operation.CREATE, "other")))

    def test_a_write_is_warned_of_what_has_no_effect_and_a_read_of_nothing_is_not(self) -> None:
        written = self.ask(Operation.CREATE, "things/a", sizes=3, other=1)
        assert written
        self.assertEqual(written.warnings, ("Endpoint ignored these unrecognized parameters: [other sizes]",))
        self.assertIsNone(self.ask(Operation.READ, "things/b", other=1))
        answered = self.ask(Operation.CREATE, "things/c", size=5, other=1)
        assert answered
        self.assertEqual((answered.data, len(answered.warnings)), ({"size": 5}, 1))

    def test_a_lease_goes_to_the_handler_of_its_kind(self) -> None:
        self.ask(Operation.CREATE, "things/a")
        leased = self.ask(Operation.READ, "things/a")
        assert leased and leased.secret
        with self.assertRaises(EngineError) as raised:
            BACKEND.handle(self.host, lease_request(Operation.RENEW, leased.secret))
        self.assertIs(raised.exception.kind, Kind.UNSUPPORTED_OPERATION)
        BACKEND.handle(self.host, lease_request(Operation.REVOKE, leased.secret))
        self.assertEqual(self.host.storage.entries, {})
        for lease in (Lease({"secret_type": "other"}), Lease({}), None):
            with self.assertRaises(EngineError):
                BACKEND.handle(self.host, request(Operation.REVOKE, "", lease=lease))

    def test_the_periodic_work_is_told_of_a_disable(self) -> None:
        self.ask(Operation.ROLLBACK, "")
        self.ask(Operation.ROLLBACK, "", immediate=True)
        self.assertEqual([labels["immediate"] for _, labels in self.host.counted], ["false", "true"])
        self.assertIsNone(replace(BACKEND, periodic=None).handle(self.host, request(Operation.ROLLBACK, "")))

    def test_help_describes_each_operation_for_the_servers_document(self) -> None:
        answer = self.ask(Operation.HELP, "", requestResponsePrefix="mounted")
        assert answer and answer.data
        document = answer.data["openapi"]
        item = document["paths"]["/things/{name}"]
        self.assertEqual(item["post"]["operationId"], "mounted-write-things-name")
        self.assertTrue(item["x-vault-createSupported"])
        self.assertEqual([parameter["in"] for parameter in item["parameters"]], ["path"])
        schema = document["components"]["schemas"]["MountedWriteThingsNameRequest"]
        self.assertEqual(schema["properties"]["size"]["default"], 1)
        one = self.ask(Operation.HELP, "things/a")
        assert one and one.data
        self.assertIn("Matching Route: ^things/(?P<name>[^/]+)$", one.data["help"])

    def test_a_table_that_is_out_of_order_is_told(self) -> None:
        self.assertEqual(check_table(BACKEND), [])
        wrong = replace(THING, fields=(SIZE, SIZE), synopsis="", existence_check=None)
        problems = check_table(replace(BACKEND, name="Toy", version="1", paths=(wrong,)))
        for expected in ("no name", "semantic version", "no synopsis", "twice", "is no field", "existence check"):
            self.assertTrue(any(expected in problem for problem in problems), (expected, problems))

    def test_nothing_that_may_be_secret_is_printed(self) -> None:
        self.ask(Operation.CREATE, "things/canary")
        leased = self.ask(Operation.READ, "things/canary")
        assert leased and leased.secret
        printed = [leased, request(Operation.READ, "things/a", size="canary"), lease_request(Operation.RENEW, leased.secret)]
        self.assertNotIn("canary", repr(printed))

    def test_a_name_stays_one_segment_of_a_url(self) -> None:
        segments = [path_segment(text) for text in ("a b", "a/b", "..", ".", "a.b", "ü?#")]
        self.assertEqual(segments, ["a%20b", "a%2Fb", "%2E%2E", "%2E", "a.b", "%C3%BC%3F%23"])

    def test_an_upstream_that_may_have_acted_is_told_apart(self) -> None:
        errors = [HttpError(reason, "why") for reason in Reason]
        self.assertEqual([error.code for error in errors if error.kind is Kind.CODED], [502, 504, 502, 502])
        self.assertEqual([error.reason for error in errors if not error.may_have_acted], [Reason.DENIED, Reason.NOT_SENT])


if __name__ == "__main__":
    unittest.main()
