//! Texts with as many of one thing as fit: work that grew with the square of their number would not end.

use super::*;
use crate::limits::{
    BASE_URLS_MAX, BESIDE_BYTES_MAX, FOUND_MAX, LIST_ENTRIES_MAX, NAMES_MAX, SESSION_BYTES_MAX, USES_MAX,
};

/// Bytes of the texts.
const LARGE: usize = 1024 * 1024;

/// A text of [`LARGE`] bytes.
fn large(before: &str, repeated: &str, after: &str) -> String {
    let items = vec![repeated; LARGE / (repeated.len() + 1)];
    format!("{before}{}{after}", items.join(","))
}

fn is_sealed(seen: &str) -> bool {
    !seen.contains("0123456789abcdef")
}

#[test]
fn an_entry_with_too_many_declared_values_is_sealed_as_unreadable() {
    let token = format!("\"astra_token\":\"{TOKEN}\"");
    for (key, before, repeated, after) in [
        ("config/a", "{", "\"astra_token\":1", "}"),
        ("config/a", "{", "\"astra_token\":\"\"", "}"),
        ("config/a", "{", "\"url\":\"\"", "}"),
        ("config/a", "{", token.as_str(), "}"),
        ("retired/a", "{\"configs\":[", "1", "]}"),
        ("retired/a", "{\"configs\":[", "{\"astra_token\":\"\",\"url\":1}", "]}"),
        ("retired/a", "{", "\"damaged\":1", "}"),
        ("token/a", "{", "\"orgId\":\"\",\"token\":\"\"", "}"),
    ] {
        let mut session = session();
        let stored = large(&format!("{before}\"astra_token\":\"{TOKEN}\","), repeated, after);
        let stored = if before.ends_with('[') { large(before, repeated, after) } else { stored };
        let seen = read(&mut session, key, &stored);
        assert!(is_sealed(&seen) && seen.len() == stored.len(), "{key} {repeated}");
        assert_eq!(write(&mut session, key, &seen), Ok(stored), "{key} {repeated}");
    }
}

#[test]
fn as_many_values_as_a_search_keeps_are_sealed_one_by_one() {
    let number = FOUND_MAX / 2;
    let stored = format!("{{{}}}", vec![format!("\"astra_token\":\"{TOKEN}\""); number].join(","));
    let mut session = session();
    let seen = read(&mut session, "config/a", &stored);
    assert!(is_sealed(&seen) && seen.matches("AstraCS:client:").count() == number);
    assert_eq!(write(&mut session, "config/a", &seen), Ok(stored));
}

#[test]
fn an_entry_full_of_surrogates_is_compared_once_with_each_span() {
    let mut session = session();
    let seen = read(&mut session, "retired/a", &format!("{{\"configs\":{{\"astra_token\":\"{TOKEN}\"}}}}"));
    let surrogate = seen.split('"').nth(5).unwrap().to_owned();
    let quoted = format!("\"{surrogate}\"");
    let written = write(&mut session, "retired/a", &large("{\"damaged\":[", &quoted, "]}")).unwrap();
    assert!(written.matches(TOKEN).count() > 10_000 && !written.contains(&surrogate));
    // What is no field for this comes back as it was read.
    for (before, after) in [("{\"configs\":{\"x\":[", "]}}"), ("{\"configs\":[", "")] {
        let stored = large(before, &format!("\"{TOKEN}\""), after);
        let seen = read(&mut session, "retired/a", &stored);
        assert!(is_sealed(&seen));
        assert_eq!(write(&mut session, "retired/a", &seen), Ok(stored));
    }
    // Many spans, each with a surrogate.
    let spans = vec![format!("\"damaged\":{quoted}"); FOUND_MAX / 2].join(",");
    assert!(!write(&mut session, "retired/a", &format!("{{{spans}}}")).unwrap().contains(&surrogate));
}

#[test]
fn a_response_full_of_values_is_compared_once_with_each_span() {
    let mut session = session();
    let seen = read(&mut session, "token/x", &format!("{{\"token\":\"{OTHER}\"}}"));
    let one = format!("\"token\":\"{}\"", text_of(&seen, "token"));
    // Two classes have the place.
    let number = FOUND_MAX / 2;
    let mut shown = format!("{{{}}}", vec![one.as_str(); number].join(","));
    session.open_response("creds/a/b", &mut shown).unwrap();
    assert_eq!(shown.matches(OTHER).count(), number);
    session.open_response("creds/a/b", &mut large("{", &one, "}")).unwrap_err();
}

#[test]
fn an_answer_full_of_values_is_withheld_beyond_the_limit() {
    let call = |session: &Session| session.answered_call("POST", &format!("{BASE}/v2/tokens").parse().unwrap(), None);
    let one = format!("\"token\":\"{TOKEN}\"");
    let mut session = session();
    let call = call(&session).unwrap();
    let mut body = format!("{{{}}}", vec![one.as_str(); FOUND_MAX].join(",")).into_bytes();
    session.seal_answer(&call, &mut body).unwrap();
    assert!(is_sealed(std::str::from_utf8(&body).unwrap()) && body.starts_with(b"{\"token\":\"AstraCS:"));
    let mut body = large("{", &one, "}").into_bytes();
    session.seal_answer(&call, &mut body).unwrap();
    assert!(body.starts_with(b"(the host withheld"));
}

#[test]
fn a_request_with_too_many_values_is_refused_by_the_name_of_the_field() {
    for repeated in ["\"astra_token\":1", "\"astra_token\":\"\"", "\"url\":\"\"", "\"ASTRA_TOKEN\":null,\"url\":1"] {
        let refused = asked(&mut session(), "config", &large("{", repeated, "}")).unwrap_err();
        assert!(refused.contains("`astra_token`") && refused.contains("10000 times"), "{repeated}: {refused}");
    }
    // A key of a megabyte is compared with all places at once.
    let data = format!("{{\"{}\":1}}", "A".repeat(LARGE));
    assert_eq!(asked(&mut session(), "config", &data), Ok(data));
}

#[test]
fn a_long_text_beside_a_value_names_nothing() {
    let long = |bytes: usize| format!("{BASE}/{}", "a".repeat(bytes - BASE.len() - 1));
    for (bytes, is_base) in [(BESIDE_BYTES_MAX, true), (BESIDE_BYTES_MAX + 1, false)] {
        let mut session = session();
        let token = admin(&mut session, &long(bytes));
        let sent = sent(&mut session, "POST", &format!("{}/v2/tokens", long(bytes)), &format!("Bearer {token}"));
        assert_eq!(sent.is_ok(), is_base);
    }
}

#[test]
fn a_value_has_a_largest_number_of_uses() {
    let mut session = session();
    let read = |session: &mut Session, number: usize| {
        let mut entry = config(TOKEN, &format!("{BASE}/{number}")).into_bytes();
        session
            .seal_stored("config/a", &mut entry)
            .map(|()| text_of(std::str::from_utf8(&entry).unwrap(), "astra_token"))
    };
    for number in 0..USES_MAX {
        read(&mut session, number).unwrap();
    }
    assert_eq!(read(&mut session, USES_MAX), Err(SessionError::TooManyUses));
    let token = read(&mut session, 0).unwrap();
    let last = format!("{BASE}/{}", USES_MAX - 1);
    sent(&mut session, "POST", &format!("{last}/v2/tokens"), &format!("Bearer {token}")).unwrap();
    let entry = |url: &str| format!("\"configs\":[{{\"astra_token\":\"{token}\",\"url\":\"{url}\"}}]");
    write(&mut session, "retired/a", &format!("{{{}}}", vec![entry(&last); 100].join(","))).unwrap();
    write(&mut session, "retired/a", &format!("{{{}}}", entry(&format!("{BASE}/none")))).unwrap_err();
}

#[test]
fn a_session_holds_a_largest_number_of_bytes() {
    let mut session = session();
    let before = session.held_bytes();
    // Each run of an unreadable entry is a value, whatever its length.
    let entry = |number: usize| format!("{number:x}").repeat(LARGE / 2);
    let mut number = 1_000_000;
    let error = loop {
        number += 1;
        let mut value = entry(number).into_bytes();
        let length = value.len();
        match session.seal_stored("config/a", &mut value) {
            Ok(()) => assert_eq!(value.len(), length),
            Err(error) => break error,
        }
        assert!(number < 1_000_100);
    };
    assert_eq!(error, SessionError::TooLarge);
    assert!(session.held_bytes() > before + SESSION_BYTES_MAX / 2 && session.held_bytes() <= SESSION_BYTES_MAX);
}

#[test]
fn the_largest_legitimate_request_is_sealed() {
    let mut session = session();
    for number in 0..10_000 {
        let record = format!(
            "{{\"token\":\"AstraCS:client-{number}:{number:064x}\",\"secret\":\"{number:032x}\",\"origin\":\"{BASE}\",\
             \"orgId\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"}}"
        );
        read(&mut session, &format!("token/{number}"), &record);
    }
    assert!(session.held_bytes() < SESSION_BYTES_MAX * 2 / 3, "{}", session.held_bytes());
}

#[test]
fn a_request_remembers_the_urls_of_a_largest_number_of_entries() {
    let mut session = session();
    let entry = "{\"url\":\"https://a.example.com\",\"logical_name\":\"one\"}";
    for number in 0..BASE_URLS_MAX {
        read(&mut session, &format!("config/{number}"), entry);
    }
    let held = session.held_bytes();
    read(&mut session, "config/another", entry);
    assert_eq!(session.held_bytes(), held);
    let token = |session: &mut Session, org: &str| {
        let record = format!("{{\"token\":\"{OTHER}\",\"orgId\":\"{org}\"}}");
        text_of(&read(session, "token/x", &record), "token")
    };
    // All entries with the second name have one URL.
    let kept = token(&mut session, "one");
    sent(&mut session, "GET", "https://a.example.com/v2/org", &format!("Bearer {kept}")).unwrap();
}

#[test]
fn a_request_remembers_the_urls_of_all_configs_of_a_mount() {
    /// Configs that the Astra engine has at most: `CONFIGS_MAX` of its limits.
    const CONFIGS: usize = 2_000;
    let mut session = session();
    for number in 0..CONFIGS {
        let url = format!("https://api-{number}.example.com");
        read(&mut session, &format!("config/{number}"), &format!("{{\"url\":\"{url}\"}}"));
    }
    let last = CONFIGS - 1;
    let kept = read(&mut session, "token/x", &format!("{{\"token\":\"{OTHER}\",\"orgId\":\"{last}\"}}"));
    let header = format!("Bearer {}", text_of(&kept, "token"));
    sent(&mut session, "GET", &format!("https://api-{last}.example.com/v2/org"), &header).unwrap();
}

#[test]
fn a_request_is_searched_once_for_all_names() {
    let mut declaration = declaration();
    let names = |field: usize| (0..LIST_ENTRIES_MAX).map(|name| format!("name-{field}-{name}")).collect();
    let shown = |field: usize| ShownField { paths: texts(&["large"]), at: texts(&["token"]), owner: names(field) };
    let fields = NAMES_MAX / LIST_ENTRIES_MAX - 1;
    declaration.classes[3].shown_fields = (0..fields).map(shown).collect();
    declaration.check().unwrap();
    let mut session = Session::new(Arc::new(Rules::new([&declaration])));
    let last = format!("name-{}-{}", fields - 1, LIST_ENTRIES_MAX - 1);
    let mut data = large(&format!("{{\"{last}\":\"owner\","), "\"other\":{\"name-0-0\":1}", "}");
    session.seal_request("large", &mut data).unwrap();
    assert_eq!(session.asked.iter().flatten().map(|name| name.text.as_str()).collect::<Vec<_>>(), ["owner"]);
    // More names than a search keeps name nothing.
    let mut data = large(&format!("{{\"{last}\":\"owner\","), "\"name-0-0\":\"x\"", "}");
    session.seal_request("large", &mut data).unwrap();
    assert_eq!(session.asked.iter().flatten().count(), 0);
}
