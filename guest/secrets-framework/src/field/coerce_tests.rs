//! What each field type accepts, row by row, and the sentences for what not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::coerce::coerce;
use super::{FieldType, FieldValue};

/// The coerced value as JSON (durations in seconds, null = not sent), or the sentence.
fn check(kind: FieldType, value: Value, expected: Result<Value, &str>) {
    let found = coerce(kind, &value).map(|found| match found {
        None => Value::Null,
        Some(FieldValue::String(text)) => json!(text),
        Some(FieldValue::Int(number) | FieldValue::Seconds(number)) => json!(number),
        Some(FieldValue::Bool(value)) => json!(value),
        Some(FieldValue::Strings(items)) => json!(items),
        Some(FieldValue::List(items)) => json!(items),
        Some(FieldValue::Pairs(pairs)) => json!(pairs),
        Some(FieldValue::Map(map)) => json!(map),
    });
    assert_eq!(found, expected.map_err(str::to_owned), "{kind:?} from {value}");
}

fn refused(kind: FieldType, value: Value, sentence: &str) {
    check(kind, value, Err(sentence));
}

#[test]
fn string() {
    let check = |value, expected| check(FieldType::String, value, Ok(expected));
    check(json!("x"), json!("x"));
    check(json!(5), json!("5"));
    check(json!(12_345_678_901_234_567_890_u64), json!("12345678901234567890"));
    check(json!(1.5), json!("1.5"));
    check(json!(true), json!("1"));
    check(json!(false), json!("0"));
    check(Value::Null, json!(""));
    refused(
        FieldType::String,
        json!({"secret": "canary"}),
        "'' expected type 'string', got unconvertible type 'map[string]interface {}'",
    );
    refused(FieldType::String, json!([]), "'' expected type 'string', got unconvertible type '[]interface {}'");
}

#[test]
fn lower_case_string() {
    check(FieldType::LowerCaseString, json!("ReadER-É"), Ok(json!("reader-é")));
    check(FieldType::LowerCaseString, json!(true), Ok(json!("1")));
}

#[test]
fn int() {
    let check = |value, expected| check(FieldType::Int64, value, Ok(expected));
    check(json!(7), json!(7));
    check(json!("0x10"), json!(16));
    check(json!("010"), json!(8));
    check(json!(""), json!(0));
    check(json!(true), json!(1));
    check(Value::Null, json!(0));
    check(json!(3600.0), json!(3600));
    check(json!("1e3"), json!(1000));
    for value in [json!("x"), json!(1.5), json!("1.5"), json!("1_0.0")] {
        refused(FieldType::Int64, value, "'' cannot parse value as 'int64': strconv.ParseInt: invalid syntax");
    }
    for value in [json!(u64::MAX), json!(1e30)] {
        refused(FieldType::Int64, value, "'' cannot parse value as 'int64': strconv.ParseInt: value out of range");
    }
    refused(FieldType::Int64, json!([1]), "'' expected type 'int64', got unconvertible type '[]interface {}'");
}

#[test]
fn boolean() {
    for value in
        [json!(true), json!("1"), json!("t"), json!("T"), json!("TRUE"), json!("true"), json!("True"), json!(2)]
    {
        check(FieldType::Bool, value, Ok(json!(true)));
    }
    for value in [json!(false), json!("0"), json!("F"), json!("False"), json!(""), json!(0), json!(0.0), Value::Null] {
        check(FieldType::Bool, value, Ok(json!(false)));
    }
    for value in ["yes", "2", "tRUE", " true"] {
        let sentence = "'' cannot parse value as 'bool': strconv.ParseBool: invalid syntax";
        refused(FieldType::Bool, json!(value), sentence);
    }
    refused(FieldType::Bool, json!({}), "'' expected type 'bool', got unconvertible type 'map[string]interface {}'");
}

#[test]
fn duration_second() {
    let check = |value, expected| check(FieldType::DurationSecond, value, Ok(expected));
    check(json!(90), json!(90));
    check(json!("90"), json!(90));
    check(json!("1h30m"), json!(5400));
    check(json!("2d"), json!(172_800));
    check(json!("1500ms"), json!(1));
    check(json!(3600.0), json!(3600));
    check(json!("1e3"), json!(1000));
    check(json!("0s"), json!(0));
    check(json!(""), json!(0));
    check(Value::Null, Value::Null);
    check(json!("9223372036"), json!(9_223_372_036_i64));
    let refused = |value, sentence| refused(FieldType::DurationSecond, value, sentence);
    refused(json!(-5), "cannot provide negative value '-5'");
    refused(json!("-1h"), "cannot provide negative value '-3600'");
    refused(json!("soon"), r#"time: invalid duration "soon""#);
    refused(json!("5x"), r#"time: unknown unit "x" in duration "5x""#);
    for text in ["500ms", "-999ms", "1ns"] {
        let sentence = format!("duration {text:?} is shorter than one second: give whole seconds");
        self::refused(FieldType::SignedDurationSecond, json!(text), &sentence);
    }
    refused(json!(1.5), r#"time: missing unit in duration "1.5""#);
    refused(json!("xd"), r#"strconv.ParseInt: parsing "x": invalid syntax"#);
    refused(json!(9_223_372_037_i64), r#"time: invalid duration "9223372037""#);
    refused(json!("106752d"), r#"time: invalid duration "106752d""#);
    refused(json!(true), "could not parse duration from input");
    refused(json!([1]), "could not parse duration from input");
}

#[test]
fn signed_duration_second() {
    check(FieldType::SignedDurationSecond, json!("-1h"), Ok(json!(-3600)));
    check(FieldType::SignedDurationSecond, json!(-5), Ok(json!(-5)));
    check(FieldType::SignedDurationSecond, Value::Null, Ok(Value::Null));
}

#[test]
fn comma_string_slice() {
    let check = |value, expected| check(FieldType::CommaStringSlice, value, Ok(expected));
    check(json!("a, b,,c"), json!(["a", "b", "", "c"]));
    check(json!(["a,b", " c "]), json!(["a,b", "c"]));
    check(json!(""), json!([]));
    check(json!([]), json!([]));
    check(json!({}), json!([]));
    check(Value::Null, json!([]));
    check(json!(5), json!(["5"]));
    check(json!([1, true, null]), json!(["1", "1", ""]));
    refused(
        FieldType::CommaStringSlice,
        json!(["a", {}]),
        "'[1]' expected type 'string', got unconvertible type 'map[string]interface {}'",
    );
}

#[test]
fn kv_pairs() {
    let check = |value, expected| check(FieldType::KvPairs, value, Ok(expected));
    check(json!({"a": "x", "b": 2, "c": null}), json!({"a": "x", "b": "2", "c": ""}));
    check(json!("a=x=y"), json!({"a": "x=y"}));
    check(json!(["a=x", "b="]), json!({"a": "x", "b": ""}));
    check(json!([{"a": "x"}, {"a": "y", "b": true}]), json!({"a": "y", "b": "1"}));
    check(json!([]), json!({}));
    check(Value::Null, json!({}));
    refused(FieldType::KvPairs, json!("plain"), r#"invalid key pair "plain""#);
    refused(FieldType::KvPairs, json!(["=x"]), r#"invalid key pair "=x""#);
    refused(
        FieldType::KvPairs,
        json!({"a": {"secret": "canary"}}),
        "'[0]' expected type 'string', got unconvertible type 'map[string]interface {}'",
    );
}

#[test]
fn map() {
    let check = |value, expected| check(FieldType::Map, value, Ok(expected));
    check(json!({"a": [1]}), json!({"a": [1]}));
    check(json!([]), json!({}));
    check(json!([{"a": 1}, {"a": 2, "b": 3}]), json!({"a": 2, "b": 3}));
    check(Value::Null, json!({}));
    refused(FieldType::Map, json!("x"), "'' expected a map, got 'string'");
    refused(FieldType::Map, json!(["x"]), "'[0]' expected a map, got 'string'");
}

#[test]
fn slices() {
    let check = |value, expected| check(FieldType::Slice, value, Ok(expected));
    check(json!([{"a": 1}, "b", null]), json!([{"a": 1}, "b", null]));
    check(json!({"a": 1}), json!([{"a": 1}]));
    check(json!("x"), json!(["x"]));
    check(json!({}), json!([]));
    check(Value::Null, json!([]));
}

const KINDS: [FieldType; 10] = [
    FieldType::String,
    FieldType::LowerCaseString,
    FieldType::Int64,
    FieldType::Bool,
    FieldType::DurationSecond,
    FieldType::SignedDurationSecond,
    FieldType::CommaStringSlice,
    FieldType::Slice,
    FieldType::KvPairs,
    FieldType::Map,
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[-+]?[0-9a-zµ._=,]{0,12}".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,3}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn coercion_never_panics_and_durations_fit_the_server(value in any_json()) {
        for kind in KINDS {
            if let Ok(Some(FieldValue::Seconds(seconds))) = coerce(kind, &value) {
                prop_assert!(seconds.checked_mul(1_000_000_000).is_some());
            }
        }
    }
}
