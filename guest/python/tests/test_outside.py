"""JSON of the server, and the doubles that stand for the outside."""

import unittest

from helper.errors import EngineError
from helper.host import Entry, HttpRequest
from helper.json_text import NESTING_MAX, object_of
from helper.testing import TestHost


class JsonTest(unittest.TestCase):
    def test_an_object_is_read(self) -> None:
        self.assertEqual(object_of("data", '{"a": [1]}'), {"a": [1]})
        self.assertEqual(object_of("data", "null"), {})

    def test_what_is_no_object_is_a_mistake_that_does_not_show_it(self) -> None:
        for text in ('{"canary', '["canary"]', '"canary"', "5", "9" * 5000, "", '{"a": canary}'):
            with self.subTest(text=text[:20]), self.assertRaises(EngineError) as refused:
                object_of("data", text)
            self.assertIn("the data", refused.exception.message)
            self.assertNotIn("canary", refused.exception.message)

    def test_lists_and_objects_nest_as_deep_as_the_stack_allows(self) -> None:
        def nested(depth: int) -> str:
            return '{"a":' * depth + "1" + "}" * depth

        self.assertIn("a", object_of("data", nested(NESTING_MAX)))
        with self.assertRaisesRegex(EngineError, "more than 64 deep"):
            object_of("data", nested(NESTING_MAX + 1))
        # Brackets in a text, and many beside one another, are not deep.
        self.assertIn("a", object_of("data", '{"a": "' + '[{\\"' * 200 + '", "b": [' + ",".join(["[]"] * 200) + "]}"))


class DoublesTest(unittest.TestCase):
    def setUp(self) -> None:
        self.host = TestHost()

    def test_a_prefix_lists_its_direct_children_in_order(self) -> None:
        storage = self.host.storage
        for key in ("a/2", "a/1", "a/b/c", "a/b/d", "b"):
            storage.put(Entry(key, b"x"))
        self.assertEqual(storage.list("a/"), ["1", "2", "b/"])
        self.assertEqual(storage.list(""), ["a/", "b"])
        self.assertEqual(storage.list_page("a/", "1", 1), ["2"])
        self.assertEqual([entry and entry.key for entry in storage.get_many(["b", "c"])], ["b", None])

    def test_a_damaged_entry_is_a_fault_that_does_not_show_it(self) -> None:
        self.host.storage.put(Entry("a", b"canary"))
        with self.assertRaises(EngineError) as raised:
            self.host.storage.get_json("a")
        self.assertIn("`a` is damaged", raised.exception.message)
        self.assertNotIn("canary", raised.exception.message + repr(self.host.storage.get("a")))

    def test_a_transaction_takes_effect_at_its_commit_or_not_at_all(self) -> None:
        storage = self.host.storage
        self.assertIsNone(storage.begin())
        storage.has_transactions = True
        for is_committed in (False, True):
            transaction = storage.begin()
            assert transaction
            with transaction:
                transaction.put_json("a", 1)
                self.assertIsNone(storage.get("a"))
                if is_committed:
                    transaction.commit()
            self.assertEqual(storage.get_json("a"), 1 if is_committed else None)

    def test_the_rest_of_the_outside_is_as_a_test_says(self) -> None:
        host = self.host
        self.assertNotEqual(host.random(4), host.random(4))
        before = host.clock.now()
        host.clock.sleep(2.5)
        self.assertEqual(host.clock.now(), before + 2)
        with host.lock("a"):
            self.assertEqual(host.locked, ["a"])
        passwords = {host.system_view.generate_password("p") for _ in range(3)}
        self.assertEqual((len(passwords), host.system_view.entity_name("")), (3, None))
        with self.assertRaises(EngineError):
            host.http.send(HttpRequest("GET", "https://example.com"))
        self.assertNotIn("canary", repr(HttpRequest("GET", "https://example.com", bearer="canary", json="canary")))


if __name__ == "__main__":
    unittest.main()
