#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn at(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|&key| key.to_owned()).collect()
}

/// The texts at a place, and how many others are there.
fn found(text: &str, keys: &[&str]) -> Result<(Vec<String>, usize), Unsearchable> {
    let at = at(keys);
    let places = [Place { at: &at, is_open: false, rank: 0 }];
    let found = find(text.as_bytes(), Wanted { places: &places, ..Wanted::default() })?;
    let texts = found.texts.iter().map(|text| String::clone(&text.value)).collect();
    Ok((texts, found.others.len()))
}

#[test]
fn the_outermost_object_is_the_whole_and_no_object_inside_it() {
    let text = |text: &str| BesideText::Text(text.to_owned());
    let rows = [
        (r#"{"a":{"url":"inner"},"url":"whole"}"#, text("whole")),
        (r#"{"\u0075rl":"whole"}"#, text("whole")),
        (r#"{"url":"first","url":"last"}"#, text("last")),
        (r#"{"a":{"url":"inner"}}"#, BesideText::Missing),
        (r#"[{"url":"inner"}]"#, BesideText::Missing),
        (r#"{"url":null}"#, BesideText::Missing),
        (r#"{"url":{"a":1}}"#, BesideText::Other),
        (r#""url""#, BesideText::Missing),
    ];
    let (inner, each) = (at(&["a", "url"]), at(&["*", "url"]));
    let place = |at| Place { at, is_open: false, rank: 0 };
    for places in [&[][..], &[place(&inner)], &[place(&each)], &[Place { at: &[], is_open: true, rank: 0 }]] {
        for (whole, expected) in &rows {
            let found = find(whole.as_bytes(), Wanted { places, beside: &["url"], any_case: false }).unwrap();
            assert_eq!(found.outermost("url"), *expected, "{whole} {places:?}");
        }
    }
}

#[test]
fn a_place_is_found_however_its_key_is_written() {
    let rows: [(&str, &[&str], &[&str], usize); 13] = [
        (r#"{"a":"x"}"#, &["a"], &["x"], 0),
        (r#"{"\u0061":"x"}"#, &["a"], &["x"], 0),
        (r#"{"a":"x","a":"y"}"#, &["a"], &["x", "y"], 0),
        (r#" { "b" : [ { "a" : 1 } ] , "a" : "x" } "#, &["a"], &["x"], 0),
        (r#"{"l":[{"a":"x"},{"b":1},{"a":"y"}]}"#, &["l", "*", "a"], &["x", "y"], 0),
        (r#"{"l":["x",null]}"#, &["l", "*"], &["x"], 0),
        (r#"{"a":null}"#, &["a"], &[], 0),
        (r#"{}"#, &["a"], &[], 0),
        ("null", &["a"], &[], 0),
        (r#"{"*":{"a":"x"}}"#, &["*", "a"], &[], 1),
        (r#"{"a":"\"\\\u00e9"}"#, &["a"], &["\"\\é"], 0),
        (r#"{"A":"x"}"#, &["a"], &[], 0),
        (r#"{"a":"x"}"#, &["a", "b"], &[], 1),
    ];
    for (text, keys, texts, others) in rows {
        assert_eq!(found(text, keys), Ok((texts.iter().map(|&text| text.to_owned()).collect(), others)), "{text}");
    }
}

#[test]
fn what_is_no_text_at_a_place_for_texts_is_told() {
    for text in [
        r#"{"a":1}"#,
        r#"{"a":true}"#,
        r#"{"a":["x"]}"#,
        r#"{"a":{"b":"x"}}"#,
        r#"{"a":nul}"#,
        r#"["x"]"#,
        r#""x""#,
        "17",
    ] {
        assert_eq!(found(text, &["a"]), Ok((vec![], 1)), "{text}");
    }
    for text in [r#"{"l":{"a":"x"}}"#, r#"{"l":"x"}"#, r#"{"l":[["x"]]}"#, r#"{"l":["x"]}"#] {
        assert_eq!(found(text, &["l", "*", "a"]), Ok((vec![], 1)), "{text}");
    }
}

#[test]
fn anything_may_be_at_an_open_place() {
    let at = at(&["d"]);
    let places = [Place { at: &at, is_open: true, rank: 0 }];
    for value in [r#"{"a":["x"]}"#, "[1,2]", r#""x""#, "17", "null"] {
        let text = format!("{{\"d\":{value},\"e\":1}}");
        let found = find(text.as_bytes(), Wanted { places: &places, ..Wanted::default() }).unwrap();
        let open = found.open.first().unwrap();
        assert_eq!((text.get(open.span.clone()), open.places.as_slice()), (Some(value), &[0][..]));
    }
}

#[test]
fn what_is_no_json_is_an_error() {
    for text in [
        "",
        " ",
        "{",
        "}",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":"x"} x"#,
        r#"{"a":"x""#,
        r#"{"a":"x",}"#,
        r#"{a:"x"}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\ud800"}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":"x"]"#,
        "[1,]",
        "\u{feff}{}",
        r#"{"a":"x\"#,
    ] {
        assert_eq!(found(text, &["a"]), Err(NotJson), "{text}");
    }
    let deep = format!("{}{}", "[".repeat(JSON_DEPTH_MAX + 1), "]".repeat(JSON_DEPTH_MAX + 1));
    assert_eq!(found(&deep, &["a"]), Err(NotJson));
    let bytes = [b"{\"a\":\"".as_slice(), &[0xff], b"\"}"].concat();
    let keys = at(&["a"]);
    let places = [Place { at: &keys, is_open: false, rank: 0 }];
    assert_eq!(find(&bytes, Wanted { places: &places, ..Wanted::default() }).err(), Some(NotJson));
}

#[test]
fn of_equal_keys_beside_a_value_the_last_one_counts() {
    let keys = at(&["l", "*", "a"]);
    let places = [Place { at: &keys, is_open: false, rank: 0 }];
    let text = br#"{"u":"no","l":[{"u":"first","a":"x","u":"last"},{"a":"y","u":7},{"a":"z"},{"a":"n","u":null}]}"#;
    let found = find(text, Wanted { places: &places, beside: &["u"], any_case: false }).unwrap();
    let beside: Vec<_> = found.texts.iter().map(|text| found.beside(text.object, "u")).collect();
    assert_eq!(beside, [BesideText::Text("last".into()), BesideText::Other, BesideText::Missing, BesideText::Missing]);
}

#[test]
fn keys_of_requests_are_found_in_any_case() {
    let keys = at(&["astra_token"]);
    let places = [Place { at: &keys, is_open: false, rank: 0 }];
    let text = br#"{"Astra_Token":"x","ASTRA_TOKEN":"y","astra_token2":"z"}"#;
    let found = find(text, Wanted { places: &places, beside: &[], any_case: true }).unwrap();
    assert_eq!(found.texts.len(), 2);
}

#[test]
fn what_was_found_inside_a_misplaced_value_is_part_of_it() {
    let keys = at(&["l", "*", "a"]);
    let other = at(&["b"]);
    let places = [Place { at: &keys, is_open: false, rank: 0 }, Place { at: &other, is_open: false, rank: 0 }];
    let text = r#"{"l":[{"a":"x"},{"a":1},[{"a":2}]],"b":"y","l":{"a":"z"}}"#;
    let found = find(text.as_bytes(), Wanted { places: &places, ..Wanted::default() }).unwrap();
    let texts: Vec<&str> = found.texts.iter().map(|text| text.value.as_str()).collect();
    let others: Vec<&str> = found.others.iter().filter_map(|other| text.get(other.clone())).collect();
    assert_eq!((texts, others), (vec!["x", "y"], vec!["1", r#"[{"a":2}]"#, r#"{"a":"z"}"#]));
}

#[test]
fn a_search_keeps_a_largest_number_of_values() {
    let keys = at(&["a"]);
    // A value counts for each of its places.
    let places = [Place { at: &keys, is_open: false, rank: 0 }; 2];
    for (item, each) in [(r#""a":"""#, 2), (r#""a":1"#, 1), (r#""u":1"#, 1), (r#""a":[],"u":null"#, 2)] {
        let search = |number: usize| {
            let text = format!("{{{}}}", vec![item; number].join(","));
            find(text.as_bytes(), Wanted { places: &places, beside: &["u"], any_case: true }).map(drop)
        };
        assert_eq!((search(FOUND_MAX / each), search(FOUND_MAX / each + 1)), (Ok(()), Err(TooMany)), "{item}");
    }
    let many = vec!["x"; 1_000].join("\",\"");
    assert_eq!(found(&format!("{{\"b\":[\"{many}\"]}}"), &["a"]), Ok((vec![], 0)), "what is not wanted");
}

#[test]
fn a_span_is_found_in_those_around_it() {
    let spans = [2..4, 4..6, 10..20];
    for (inner, expected) in [
        (2..4, true),
        (3..5, false),
        (4..6, true),
        (0..2, false),
        (6..7, false),
        (10..11, true),
        (19..21, false),
        (25..26, false),
    ] {
        assert_eq!(within(&spans, |span| span, &inner), expected, "{inner:?}");
    }
    assert!(!within(&[], |span: &Range<usize>| span, &(0..1)));
}

#[test]
fn a_quoted_text_never_grows_its_buffer() {
    for text in ["", "plain", "q\"\\", "\u{1}\n\t\u{7f}", "\u{e9}\u{2028}"] {
        let quoted = quoted(text);
        assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), text);
        let most = 2 + text.chars().map(|sign| if sign < ' ' { 6 } else { 4 }).sum::<usize>();
        assert!(quoted.capacity() <= most, "{text}");
    }
}

#[test]
fn a_splice_leaves_every_other_byte() {
    let mut text = br#"{ "a":1e0,"b" :"secret", "a":2.50 }"#.to_vec();
    splice(&mut text, &[(15..23, quoted("q\"uoted"))]);
    assert_eq!(text, br#"{ "a":1e0,"b" :"q\"uoted", "a":2.50 }"#);
    splice(&mut text, &[]);
    assert_eq!(text.len(), 37);
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        ".{0,6}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[ab]|.{0,3}", inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_scan_finds_what_serde_finds(value in json()) {
        let expected = value.get("a").and_then(|a| a.as_str());
        let text = serde_json::to_string_pretty(&value).unwrap();
        let (texts, _) = found(&text, &["a"]).unwrap();
        prop_assert_eq!(texts.first().map(String::as_str), expected);
    }

    #[test]
    fn no_text_makes_the_scan_panic(text in "[\\[\\]{}:,\"\\\\a0 n]{0,40}") {
        let is_json = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        let found = found(&text, &["a"]);
        prop_assert!(found.is_ok() || !is_json, "{}", text);
    }
}
