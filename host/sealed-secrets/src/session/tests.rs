#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::declaration::*;

mod destinations;
mod large;
mod other_modules;
mod owners;

const TOKEN: &str = "AstraCS:client:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER: &str = "AstraCS:client:f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const SECRET: &str = "aB3_aB3-aB3.aB3~aB3+aB3/";
const BASE: &str = "https://api.example.com";

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn call(method: &str, path: &str) -> Call {
    Call { method: method.into(), path: path.into() }
}

fn class(name: &str) -> Class {
    let token = |public: &str, alphabet| Shape {
        public: public.into(),
        alphabet,
        plain_endings: texts(&[":redacted"]),
        secret_characters_min: 16,
    };
    Class {
        name: name.into(),
        shape: if name.ends_with("secret") {
            token("", Alphabet::LettersAndDigits)
        } else {
            token("AstraCS:{}:", Alphabet::LowerHex)
        },
        request_fields: vec![],
        stored_fields: vec![],
        unreadable_fields: vec![],
        answered_fields: vec![],
        bearer_of: vec![],
        shown_fields: vec![],
        becomes: vec![],
    }
}

/// As the Astra engine declares.
pub(crate) fn declaration() -> Declaration {
    let beside = || Destination::Sibling { key: "url".into(), otherwise: Some(BASE.into()) };
    let stored = |prefix: &str, at: &[&str], destination| StoredField {
        prefix: prefix.into(),
        at: texts(at),
        destination,
        owner: None,
    };
    let shown = |at: &str| vec![ShownField { paths: texts(&["creds/{org}/{role}"]), at: texts(&[at]), owner: vec![] }];
    let mint = || call("POST", "/v2/tokens");
    let requested = Destination::Requested {
        field: Some("url".into()),
        stored: Some(StoredUrl {
            prefix: "config/".into(),
            named_by: texts(&["org", "org_id"]),
            second_name: Some("logical_name".into()),
            key: "url".into(),
        }),
        otherwise: Some(BASE.into()),
    };
    let admin = Class {
        request_fields: vec![RequestField {
            paths: texts(&["config", "config/{org}"]),
            at: texts(&["astra_token"]),
            destination: requested,
            owner: vec![],
        }],
        stored_fields: vec![
            stored("config/", &["astra_token"], beside()),
            stored("retired/", &["configs", "*", "astra_token"], beside()),
        ],
        unreadable_fields: vec![UnreadableField { prefix: "retired/".into(), at: texts(&["damaged"]) }],
        bearer_of: vec![mint(), call("GET", "/v2/org"), call("DELETE", "/v2/tokens/+")],
        ..class("admin-token")
    };
    let made = Class {
        answered_fields: vec![AnsweredField { call: mint(), at: texts(&["token"]) }],
        bearer_of: vec![call("GET", "/v2/org")],
        shown_fields: shown("token"),
        becomes: texts(&["admin-token", "kept-token"]),
        ..class("made-token")
    };
    let made_secret = Class {
        answered_fields: vec![AnsweredField { call: mint(), at: texts(&["secret"]) }],
        shown_fields: shown("secret"),
        becomes: texts(&["kept-secret"]),
        ..class("made-secret")
    };
    let of_config = |named_by: &str| StoredUrl {
        prefix: "config/".into(),
        named_by: texts(&[named_by]),
        second_name: Some("logical_name".into()),
        key: "url".into(),
    };
    let kept = Class {
        stored_fields: vec![stored(
            "token/",
            &["token"],
            Destination::SiblingOrigin { key: "origin".into(), stored: Some(of_config("orgId")) },
        )],
        bearer_of: vec![call("GET", "/v2/org")],
        shown_fields: shown("token"),
        ..class("kept-token")
    };
    let kept_secret = Class {
        stored_fields: vec![stored("token/", &["secret"], Destination::Nowhere)],
        shown_fields: shown("secret"),
        ..class("kept-secret")
    };
    Declaration { classes: vec![admin, made, made_secret, kept, kept_secret] }
}

fn session() -> Session {
    declaration().check().unwrap();
    Session::new(Arc::new(Rules::new([&declaration()])))
}

/// What the guest reads of an entry.
fn read(session: &mut Session, key: &str, value: &str) -> String {
    let mut bytes = value.as_bytes().to_vec();
    session.seal_stored(key, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// What is stored of what the guest writes.
fn write(session: &mut Session, key: &str, value: &str) -> Result<String, String> {
    let mut bytes = value.as_bytes().to_vec();
    session.open_stored(key, &mut bytes).map_err(|violation| violation.to_string())?;
    Ok(String::from_utf8(bytes).unwrap())
}

fn config(token: &str, url: &str) -> String {
    format!("{{\"b\":1.50,\"astra_token\":\"{token}\",\"url\":\"{url}\",\"a\": [] }}")
}

/// The token of the admin class that the guest gets.
fn admin(session: &mut Session, url: &str) -> String {
    text_of(&read(session, "config/a", &config(TOKEN, url)), "astra_token")
}

fn text_of(json: &str, key: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    value.get(key).unwrap().as_str().unwrap().to_owned()
}

fn sent(session: &mut Session, method: &str, url: &str, header: &str) -> Result<Option<String>, String> {
    let opened = session.open_authorization(method, &url.parse().unwrap(), header.as_bytes());
    let opened = opened.map_err(|violation| violation.to_string())?;
    Ok(opened.map(|opened| String::from_utf8(opened.value.to_vec()).unwrap()))
}

#[test]
fn an_entry_reaches_the_guest_without_its_secret_and_comes_back_byte_for_byte() {
    let mut session = session();
    let stored = config(TOKEN, BASE);
    let seen = read(&mut session, "config/a", &stored);
    assert!(!seen.contains("0123456789abcdef") && seen.len() == stored.len(), "{seen}");
    assert!(seen.contains("\"AstraCS:client:") && seen.starts_with("{\"b\":1.50,"), "{seen}");
    assert_eq!(write(&mut session, "config/a", &seen), Ok(stored));
    assert!(session.violation().is_none());
}

#[test]
fn a_key_is_the_same_however_it_is_spelled() {
    for key in ["config/a", "config//a", "./config/a", "config/./a", "config/a/b"] {
        let seen = read(&mut session(), key, &config(TOKEN, BASE));
        assert!(!seen.contains("0123456789abcdef"), "{key}: {seen}");
        let mut session = session();
        let token = admin(&mut session, BASE);
        write(&mut session, key, &config(&token, "https://evil.example.com")).unwrap_err();
    }
}

#[test]
fn a_value_is_sent_with_declared_calls_to_its_own_base_only() {
    let base = "https://api.example.com/gateway";
    let mut session = session();
    let token = admin(&mut session, base);
    let header = format!("Bearer {token}");
    for (method, path) in [("POST", "/v2/tokens"), ("GET", "/v2/org"), ("DELETE", "/v2/tokens/abc")] {
        let sent = sent(&mut session, method, &format!("{base}{path}"), &header);
        assert_eq!(sent, Ok(Some(format!("Bearer {TOKEN}"))), "{method} {path}");
    }
    assert!(session.violation().is_none());
    for (method, url) in [
        ("GET", "https://api.example.com/gateway/v2/tokens"),
        ("POST", "https://api.example.com/gateway/v2/tokens?x=y"),
        ("POST", "https://api.example.com/gateway/v2/tokens/"),
        ("POST", "https://api.example.com/v2/tokens"),
        ("POST", "https://api.example.com/other/v2/tokens"),
        ("POST", "https://api.example.com:8443/gateway/v2/tokens"),
        ("POST", "http://api.example.com/gateway/v2/tokens"),
        ("POST", "https://evil.example.com/gateway/v2/tokens"),
        ("POST", "https://api.example.com/gateway/v2/users"),
        ("DELETE", "https://api.example.com/gateway/v2/tokens/a%2F..%2Fb"),
    ] {
        let refused = sent(&mut session, method, url, &header).unwrap_err();
        assert!(refused.contains("admin-token") && refused.contains("no declared call"), "{method} {url}: {refused}");
    }
    for header in [format!("Basic {token}"), format!("Bearer {token}x"), format!("Bearer x{token}"), token.clone()] {
        sent(&mut session, "POST", &format!("{base}/v2/tokens"), &header).unwrap_err();
    }
    assert_eq!(sent(&mut session, "POST", "https://anywhere.example.com/", "Bearer of-the-guest"), Ok(None));
}

#[test]
fn a_value_is_written_only_beside_its_own_base() {
    let mut session = session();
    let token = admin(&mut session, BASE);
    for (key, url) in [("config/b", BASE), ("config/b", ""), ("config/b", "HTTPS://api.example.com:443/")] {
        assert_eq!(write(&mut session, key, &config(&token, url)), Ok(config(TOKEN, url)), "{url}");
    }
    let retired =
        |token: &str, url: &str| format!("{{\"configs\":[{{\"url\":\"{url}\",\"astra_token\":\"{token}\"}}]}}");
    assert_eq!(write(&mut session, "retired/a", &retired(&token, BASE)), Ok(retired(TOKEN, BASE)));
    for (key, value) in [
        ("config/b", config(&token, "https://evil.example.com")),
        ("config/b", config(&token, "https://api.example.com/other")),
        ("retired/a", retired(&token, "https://evil.example.com")),
        ("config/b", config(&format!("x{token}"), BASE)),
        ("config/b", format!("{{\"astra_token\":\"x\",\"copy\":\"{token}\"}}")),
        ("config/b", format!("{{\"{token}\":1}}")),
        ("token/a", format!("{{\"token\":\"{token}\"}}")),
        ("other/a", config(&token, BASE)),
        ("config/b", format!("{{\"astra_token\":{token},\"url\":\"{BASE}\"}}")),
        ("config/b", token.clone()),
        (token.as_str(), "{}".to_owned()),
    ] {
        write(&mut session, key, &value).unwrap_err();
    }
    let first = session.violation().unwrap().to_string();
    assert_eq!(
        first,
        "a value of the class `admin-token` is in a storage entry below `config/`, where the value may not be kept"
    );
}

#[test]
fn a_value_without_a_base_stays_without_one() {
    let mut session = session();
    let seen = read(&mut session, "config/a", &format!("{{\"url\":7,\"astra_token\":\"{TOKEN}\"}}"));
    let token = text_of(&seen, "astra_token");
    sent(&mut session, "POST", &format!("{BASE}/v2/tokens"), &format!("Bearer {token}")).unwrap_err();
    write(&mut session, "config/a", &config(&token, BASE)).unwrap_err();
}

#[test]
fn one_value_of_two_entries_has_one_surrogate_and_both_bases() {
    let mut session = session();
    let (first, second) = (admin(&mut session, BASE), admin(&mut session, "https://b.example.com"));
    assert_eq!(first, second);
    let other = text_of(&read(&mut session, "config/c", &config(OTHER, BASE)), "astra_token");
    assert_ne!(first, other);
    for base in [BASE, "https://b.example.com"] {
        sent(&mut session, "GET", &format!("{base}/v2/org"), &format!("Bearer {first}")).unwrap();
    }
    sent(&mut session, "GET", "https://b.example.com/v2/org", &format!("Bearer {other}")).unwrap_err();
}

/// What the guest gets of a mint.
fn minted(session: &mut Session) -> (String, String) {
    let call = session.answered_call("POST", &format!("{BASE}/v2/tokens").parse().unwrap(), None).unwrap();
    let mut body = format!("{{\"token\":\"{TOKEN}\",\"secret\":\"{SECRET}\",\"clientId\":\"client\"}}").into_bytes();
    session.seal_answer(&call, &mut body).unwrap();
    let body = String::from_utf8(body).unwrap();
    (text_of(&body, "token"), text_of(&body, "secret"))
}

#[test]
fn a_made_value_is_proved_shown_kept_and_becomes_an_admin_token() {
    let mut session = session();
    let (token, secret) = minted(&mut session);
    assert!(token.starts_with("AstraCS:client:") && token != TOKEN && secret != SECRET);
    sent(&mut session, "GET", &format!("{BASE}/v2/org"), &format!("Bearer {token}")).unwrap();
    let (record, real) = (
        format!("{{\"token\":\"{token}\",\"secret\":\"{secret}\"}}"),
        format!("{{\"token\":\"{TOKEN}\",\"secret\":\"{SECRET}\"}}"),
    );
    assert_eq!(write(&mut session, "token/x", &record).as_deref(), Ok(real.as_str()));
    assert_eq!(write(&mut session, "config/a", &config(&token, BASE)), Ok(config(TOKEN, BASE)));
    let mut shown = record.clone();
    session.open_response("creds/a/b", &mut shown).unwrap();
    assert_eq!(shown, real);
    for (path, data) in [
        ("creds/a", record.clone()),
        ("creds/a/b", format!("{{\"token\":\"{secret}\"}}")),
        ("creds/a/b", format!("{{\"name\":\"{token}\"}}")),
        ("creds/a/b", format!("{{\"token\":\"x {token}\"}}")),
        ("creds/a/b", format!("{{\"token\":[\"{token}\"]}}")),
    ] {
        session.open_response(path, &mut data.clone()).unwrap_err();
    }
    write(&mut session, "config/a", &config(&token, "https://evil.example.com")).unwrap_err();
    write(&mut session, "token/x", &format!("{{\"token\":\"{secret}\"}}")).unwrap_err();
    sent(&mut session, "POST", &format!("{BASE}/v2/tokens"), &format!("Bearer {token}")).unwrap_err();
}

#[test]
fn a_kept_value_is_shown_and_an_admin_token_never() {
    let mut session = session();
    let seen = read(&mut session, "token/x", &format!("{{\"token\":\"{OTHER}\"}}"));
    let kept = text_of(&seen, "token");
    sent(&mut session, "GET", &format!("{BASE}/v2/org"), &format!("Bearer {kept}")).unwrap_err();
    write(&mut session, "config/a", &config(&kept, BASE)).unwrap_err();
    let mut data = seen.clone();
    session.open_response("creds/a/b", &mut data).unwrap();
    assert_eq!(text_of(&data, "token"), OTHER);
    let token = admin(&mut session, BASE);
    session.open_response("creds/a/b", &mut format!("{{\"token\":\"{token}\"}}")).unwrap_err();
}

#[test]
fn a_value_that_is_bound_to_an_origin_goes_below_any_path_of_it() {
    let record = |rest: &str| format!("{{\"token\":\"{OTHER}\"{rest}}}");
    let gateway = "https://api.example.com/gateway";
    // What is beside the value, and to which bases it may go once the guest read the config of `a`.
    let rows: [(&str, &[&str], &[&str]); 5] = [
        (",\"origin\":\"https://api.example.com\",\"orgId\":\"a\"", &[BASE, gateway], &["https://a.example.com"]),
        (",\"orgId\":\"a\"", &["https://a.example.com", "https://a.example.com/gateway"], &[BASE]),
        (",\"orgId\":\"b\"", &[], &[BASE, "https://a.example.com"]),
        (",\"origin\":7,\"orgId\":\"a\"", &[], &[BASE, "https://a.example.com"]),
        ("", &[], &[BASE, "https://a.example.com"]),
    ];
    for (rest, allowed, refused) in rows {
        let mut session = session();
        let kept = text_of(&read(&mut session, "token/x", &record(rest)), "token");
        read(&mut session, "config/a", "{\"url\":\"https://a.example.com/path\"}");
        let header = format!("Bearer {kept}");
        for base in allowed {
            sent(&mut session, "GET", &format!("{base}/v2/org"), &header).unwrap();
        }
        for base in refused {
            sent(&mut session, "GET", &format!("{base}/v2/org"), &header).unwrap_err();
        }
        // A record without an origin gets that of its config, and no other.
        let with = |origin: &str| format!("{{\"token\":\"{kept}\",\"origin\":\"{origin}\"}}");
        for origin in ["https://api.example.com", "https://a.example.com", "https://evil.example.com"] {
            let may = allowed.contains(&origin);
            assert_eq!(write(&mut session, "token/x", &with(origin)).is_ok(), may, "{rest} {origin}");
        }
    }
}

#[test]
fn an_answer_that_is_not_what_was_declared_is_withheld() {
    for body in [
        format!("{{\"token\":{{\"x\":\"{TOKEN}\"}}}}"),
        format!("[\"{TOKEN}\"]"),
        TOKEN.to_owned(),
        "{\"token\":\"short\"}".into(),
    ] {
        let mut session = session();
        let call = session.answered_call("POST", &format!("{BASE}/v2/tokens").parse().unwrap(), None).unwrap();
        let mut bytes = body.clone().into_bytes();
        session.seal_answer(&call, &mut bytes).unwrap();
        let seen = String::from_utf8(bytes).unwrap();
        assert!(seen.starts_with("(the host withheld") && !seen.contains("0123456789abcdef"), "{body}: {seen}");
    }
    let mut session = session();
    let call = session.answered_call("POST", &format!("{BASE}/v2/tokens").parse().unwrap(), None).unwrap();
    for body in ["", "{\"errors\":[{\"message\":\"no\"}]}", "{\"token\":null}", "null"] {
        let mut bytes = body.as_bytes().to_vec();
        session.seal_answer(&call, &mut bytes).unwrap();
        assert_eq!(bytes, body.as_bytes());
    }
    assert!(session.answered_call("GET", &format!("{BASE}/v2/tokens").parse().unwrap(), None).is_none());
}

#[test]
fn what_cannot_be_read_is_written_back_and_goes_nowhere_else() {
    let broken = format!("{{\"astra_token\":\"{TOKEN}\"");
    let misplaced = format!("{{\"configs\":{{\"astra_token\":\"{TOKEN}\"}},\"damaged\":[\"{TOKEN}\"]}}");
    for (key, value) in [("config/a", &broken), ("retired/a", &misplaced)] {
        let mut session = session();
        let seen = read(&mut session, key, value);
        assert!(!seen.contains("0123456789abcdef") && seen.len() == value.len(), "{seen}");
        assert_eq!(write(&mut session, key, &seen).as_ref(), Ok(value));
    }
    // The engine keeps a broken entry as a text.
    let mut session = session();
    let seen = read(&mut session, "retired/a", &broken);
    let kept = |text: &str| serde_json::json!({ "damaged": [text] }).to_string();
    assert_eq!(write(&mut session, "retired/a", &kept(&seen)), Ok(kept(&broken)));
    let surrogate = seen.split('"').nth(3).unwrap().to_owned();
    write(&mut session, "config/a", &config(&surrogate, BASE)).unwrap_err();
    sent(&mut session, "GET", &format!("{BASE}/v2/org"), &format!("Bearer {surrogate}")).unwrap_err();
    session.open_response("creds/a/b", &mut format!("{{\"token\":\"{surrogate}\"}}")).unwrap_err();
}

/// The token that the guest gets with a request.
fn asked(session: &mut Session, path: &str, data: &str) -> Result<String, String> {
    let mut data = data.to_owned();
    session.seal_request(path, &mut data).map_err(|error| error.to_string())?;
    Ok(data)
}

#[test]
fn a_value_of_a_request_goes_to_the_base_that_the_request_names() {
    let mut session = session();
    let seen = asked(&mut session, "config", &config(TOKEN, "https://b.example.com")).unwrap();
    let header = format!("Bearer {}", text_of(&seen, "astra_token"));
    sent(&mut session, "GET", "https://b.example.com/v2/org", &header).unwrap();
    sent(&mut session, "GET", &format!("{BASE}/v2/org"), &header).unwrap_err();
}

#[test]
fn without_a_base_in_the_request_that_of_the_named_object_counts() {
    let data = |org: &str| format!("{{\"astra_token\":\"{TOKEN}\",\"org_id\":\"{org}\"}}");
    let entry = |url: &str| format!("{{\"url\":\"{url}\",\"logical_name\":\"name\"}}");
    // The path, the organization in the data, what the guest reads, and the base to which the token may go.
    type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str);
    let rows: [Row; 6] = [
        ("config", "a", &[], BASE),
        ("config", "a", &[("config/a", "https://a.example.com")], "https://a.example.com"),
        ("config", "A", &[("config/a", "https://a.example.com")], "https://a.example.com"),
        ("config", "name", &[("config/a", "https://a.example.com")], "https://a.example.com"),
        ("config", "c", &[("config/b", "https://b.example.com")], BASE),
        (
            "config/a",
            "b",
            &[("config/b", "https://b.example.com"), ("config/a", "https://a.example.com")],
            "https://a.example.com",
        ),
    ];
    for (path, org, entries, base) in rows {
        let mut session = session();
        let seen = asked(&mut session, path, &data(org)).unwrap();
        for (key, url) in entries {
            read(&mut session, key, &entry(url));
        }
        let header = format!("Bearer {}", text_of(&seen, "astra_token"));
        sent(&mut session, "GET", &format!("{base}/v2/org"), &header).unwrap();
        for other in [BASE, "https://a.example.com", "https://b.example.com"].into_iter().filter(|other| *other != base)
        {
            sent(&mut session, "GET", &format!("{other}/v2/org"), &header).unwrap_err();
        }
    }
    // Two objects have the name.
    let mut session = session();
    let seen = asked(&mut session, "config", &data("name")).unwrap();
    read(&mut session, "config/a", &entry("https://a.example.com"));
    read(&mut session, "config/b", &entry("https://b.example.com"));
    let header = format!("Bearer {}", text_of(&seen, "astra_token"));
    sent(&mut session, "GET", "https://a.example.com/v2/org", &header).unwrap_err();
}

#[test]
fn a_request_field_that_holds_no_secret_of_its_class_is_refused_by_name() {
    for value in ["7", "{\"x\":\"y\"}", "[\"x\"]", "\"AstraCS:client:short\""] {
        let refused = asked(&mut session(), "config", &format!("{{\"astra_token\":{value}}}")).unwrap_err();
        assert!(refused.contains("`astra_token`") && !refused.contains("short\""), "{refused}");
    }
    for data in ["{\"astra_token\":null}", "{\"astra_token\":\"\"}", "null", "{\"astra_token\":\"AstraCS:c:redacted\"}"]
    {
        assert_eq!(asked(&mut session(), "config", data).as_deref(), Ok(data));
    }
    for path in ["role", "config/a/b"] {
        let data = config(TOKEN, BASE);
        assert_eq!(asked(&mut session(), path, &data), Ok(data), "{path} declares nothing");
    }
    let seen = asked(&mut session(), "config", &format!("{{\"ASTRA_Token\":\"{TOKEN}\"}}")).unwrap();
    assert!(!seen.contains("0123456789abcdef"), "{seen}");
}

#[test]
fn surrogates_are_found_in_every_other_text() {
    let mut session = session();
    session.check("a log line", TOKEN.as_bytes()).unwrap();
    let token = admin(&mut session, BASE);
    session.check("a log line", b"nothing").unwrap();
    let found = session.check("a log line", format!("token={token}").as_bytes()).unwrap_err();
    assert_eq!(found.to_string(), "a value of the class `admin-token` is in a log line");
    assert_eq!(session.violation(), Some(&found));
}
