"""What a client may send for a field, and what the field becomes."""

import unittest
from typing import Any

from helper.errors import EngineError
from helper.fields import INT_MAX, SECONDS_MAX, Field, FieldType, coerced


def read(kind: FieldType, value: Any, default: Any = None) -> Any:
    return coerced((Field("field", kind, "A field.", default=default),), {"field": value}, {})["field"]


class FieldsTest(unittest.TestCase):
    def test_a_value_becomes_one_of_the_type_of_its_field(self) -> None:
        for kind, sent, expected in [
            (FieldType.STRING, "a", "a"),
            (FieldType.STRING, 5, "5"),
            (FieldType.STRING, True, "1"),
            (FieldType.INT, "-7", -7),
            (FieldType.INT, 7.0, 7),
            (FieldType.INT, str(INT_MAX), INT_MAX),
            (FieldType.BOOL, "True", True),
            (FieldType.BOOL, "f", False),
            (FieldType.BOOL, 0, False),
            (FieldType.DURATION, 90, 90),
            (FieldType.DURATION, "1h30m", 5400),
            (FieldType.DURATION, "1.5d", 129600),
            (FieldType.DURATION, "0", 0),
            (FieldType.DURATION, SECONDS_MAX, SECONDS_MAX),
            (FieldType.STRINGS, "a, b", ["a", "b"]),
            (FieldType.STRINGS, ["a", 5], ["a", "5"]),
            (FieldType.STRINGS, "", []),
            (FieldType.PAIRS, {"a": 1}, {"a": "1"}),
            (FieldType.PAIRS, "a=1,b=x=y", {"a": "1", "b": "x=y"}),
            (FieldType.MAP, {"a": [1]}, {"a": [1]}),
        ]:
            with self.subTest(kind=kind, sent=sent):
                value = read(kind, sent)
                self.assertEqual((value, type(value)), (expected, type(expected)))

    def test_another_value_is_a_mistake_that_does_not_show_the_value(self) -> None:
        for kind, sent in [
            (FieldType.STRING, ["canary"]),
            (FieldType.INT, "canary"),
            (FieldType.INT, 1.5),
            (FieldType.INT, "9" * 5000),
            (FieldType.INT, INT_MAX + 1),
            (FieldType.INT, float("inf")),
            (FieldType.BOOL, "canary"),
            (FieldType.BOOL, 2),
            (FieldType.BOOL, {}),
            (FieldType.DURATION, "canary"),
            (FieldType.DURATION, True),
            (FieldType.DURATION, -1),
            (FieldType.DURATION, 0.5),
            (FieldType.DURATION, "1m canary"),
            (FieldType.DURATION, SECONDS_MAX * 2),
            (FieldType.STRINGS, {"canary": 1}),
            (FieldType.STRINGS, [["canary"]]),
            (FieldType.PAIRS, "canary"),
            (FieldType.PAIRS, "=canary"),
            (FieldType.PAIRS, {"a": {"b": "canary"}}),
            (FieldType.MAP, "canary"),
        ]:
            with self.subTest(kind=kind, sent=sent), self.assertRaises(EngineError) as refused:
                read(kind, sent)
            self.assertIn('converting input for field "field"', refused.exception.message)
            self.assertNotIn("canary", refused.exception.message)
            self.assertIsNone(refused.exception.__cause__)

    def test_the_path_wins_over_the_data_and_the_data_over_the_default(self) -> None:
        fields = tuple(Field(name, FieldType.STRING, "A field.", default="default") for name in ("a", "b", "c", "d"))
        values = coerced(fields, {"a": "data", "b": "data", "c": None}, {"a": "path"})
        self.assertEqual(values, {"a": "path", "b": "data", "c": "default", "d": "default"})
        self.assertIsNone(read(FieldType.INT, None))


if __name__ == "__main__":
    unittest.main()
