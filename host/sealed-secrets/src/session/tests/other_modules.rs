//! What a module declares beside what holds for its mount.

use super::*;

#[test]
fn a_module_that_declares_otherwise_changes_nothing_of_the_mounts_values() {
    let mut evil = declaration();
    for class in &mut evil.classes {
        class.bearer_of = vec![call("GET", "/steal")];
        class.shown_fields = vec![ShownField { paths: texts(&["*"]), at: texts(&["token"]), owner: vec![] }];
        class.becomes = texts(&["admin-token", "kept-token"]);
    }
    evil.classes[0].stored_fields.push(StoredField {
        prefix: "loot/".into(),
        at: texts(&["astra_token"]),
        destination: Destination::Nowhere,
        owner: None,
    });
    evil.check().unwrap();
    for of_module in [evil, Declaration::default()] {
        let mut session = Session::new(Arc::new(Rules::new([&declaration(), &of_module])));
        let token = admin(&mut session, BASE);
        assert_ne!(token, TOKEN);
        sent(&mut session, "GET", &format!("{BASE}/v2/org"), &format!("Bearer {token}")).unwrap();
        sent(&mut session, "GET", &format!("{BASE}/steal"), &format!("Bearer {token}")).unwrap_err();
        session.open_response("x", &mut format!("{{\"token\":\"{token}\"}}")).unwrap_err();
        write(&mut session, "loot/a", &config(&token, BASE)).unwrap_err();
        write(&mut session, "token/a", &format!("{{\"token\":\"{token}\"}}")).unwrap_err();
    }
}

/// The sessions of a mount with the engine's declaration, and a module's after it that changes a copy of the first class.
fn beside(change: impl FnOnce(&mut Class)) -> Session {
    let mut other = Class { bearer_of: vec![], becomes: vec![], ..class("other") };
    change(&mut other);
    let of_module = Declaration { classes: vec![other] };
    of_module.check().unwrap();
    Session::new(Arc::new(Rules::new([&declaration(), &of_module])))
}

fn stored_at(prefix: &str, at: &[&str]) -> StoredField {
    StoredField { prefix: prefix.into(), at: texts(at), destination: Destination::Nowhere, owner: None }
}

fn retired(token: &str, url: &str) -> String {
    format!("{{\"configs\":[{{\"url\":\"{url}\",\"astra_token\":\"{token}\"}}]}}")
}

const EVIL: &str = "https://evil.example.com";

#[test]
fn a_place_that_would_swallow_the_mounts_own_is_not_searched() {
    let places: [&[&str]; 6] = [
        // Beside: an object where the other place has a list.
        &["configs", "*.astra_token"],
        &["configs", "x"],
        // Above, at and below.
        &["configs"],
        &["configs", "*"],
        &["configs", "*", "astra_token"],
        &["configs", "*", "astra_token", "x"],
    ];
    for at in places {
        for is_open in [false, true] {
            let mut session = beside(|class| match is_open {
                false => class.stored_fields.push(stored_at("retired/", at)),
                true => class.unreadable_fields.push(UnreadableField { prefix: "retired/".into(), at: texts(at) }),
            });
            let token = admin(&mut session, BASE);
            assert_eq!(write(&mut session, "retired/a", &retired(&token, BASE)), Ok(retired(TOKEN, BASE)), "{at:?}");
            write(&mut session, "retired/a", &retired(&token, EVIL)).unwrap_err();
            // What is read there is of the mount's class, and not merely unreadable.
            let seen = read(&mut session, "retired/a", &retired(OTHER, BASE));
            write(&mut session, "retired/a", &seen.replace(BASE, EVIL)).unwrap_err();
            let header = format!("Bearer {}", seen.split('"').nth(9).unwrap());
            assert!(sent(&mut session, "GET", &format!("{BASE}/v2/org"), &header).is_ok(), "{at:?}");
        }
    }
    // Also in a request and in an answer.
    let mut session = beside(|class| {
        class.request_fields.push(RequestField {
            paths: texts(&["*"]),
            at: texts(&["astra_token", "x"]),
            destination: Destination::Nowhere,
            owner: vec![],
        });
        class.answered_fields.push(AnsweredField { call: call("POST", "/v2/tokens"), at: texts(&["token", "*"]) });
    });
    let seen = asked(&mut session, "config", &config(TOKEN, BASE)).unwrap();
    assert!(seen.contains("AstraCS:client:") && !seen.contains(TOKEN));
    let (token, _) = minted(&mut session);
    assert!(token.starts_with("AstraCS:client:"));
}

#[test]
fn what_rules_cannot_read_takes_no_readable_value_and_comes_back_as_it_was() {
    let mut session = session();
    let token = admin(&mut session, BASE);
    // A list where an object is declared, a text where a list is: neither is a field for what the engine could not read.
    for entry in [
        format!("{{\"configs\":{{\"x\":\"{token}\"}}}}"),
        format!("{{\"configs\":\"{token}\"}}"),
        format!("{{\"configs\":[[\"{token}\"]]}}"),
    ] {
        write(&mut session, "retired/a", &entry).unwrap_err();
    }
    let damaged = format!("{{\"damaged\":[\"{token}\"]}}");
    assert_eq!(write(&mut session, "retired/a", &damaged), Ok(damaged.replace(&token, TOKEN)));

    let stored = format!("{{\"configs\":{{\"astra_token\":\"{OTHER}\",\"url\":\"{BASE}\"}}}}");
    let seen = read(&mut session, "retired/a", &stored);
    assert_eq!(write(&mut session, "retired/a", &seen), Ok(stored));
    write(&mut session, "retired/b", &seen).unwrap_err();
    // The URL beside it is sealed, too, and another key makes another URL of it.
    write(&mut session, "retired/a", &seen.replace("\"url\"", "\"u\"")).unwrap_err();
    // So could a value whose place is taken for another one, with another URL beside it.
    let stored = format!("{{\"astra_token\":[\"{OTHER}\"],\"url\":\"https://a.io\"}}");
    let seen = read(&mut session, "config/c", &stored);
    assert_eq!(write(&mut session, "config/c", &seen), Ok(stored));
    write(&mut session, "config/c", &seen.replace("a.io", "b.io")).unwrap_err();
    // An entry that cannot be read under these rules could be readable under others.
    let broken = format!("{{\"astra_token\":\"{OTHER}\",\"url\":\"{BASE}\"");
    let seen = read(&mut session, "config/b", &broken);
    assert_eq!(write(&mut session, "config/b", &seen), Ok(broken));
    write(&mut session, "config/b", &seen.replace("\"url\"", "\"u\"")).unwrap_err();
}

#[test]
fn every_module_has_fields_for_what_it_could_not_read() {
    let open = |class: &mut Class| {
        class.stored_fields.push(stored_at("own/", &["token"]));
        class.unreadable_fields.push(UnreadableField { prefix: "own/".into(), at: texts(&["damaged"]) });
        class.unreadable_fields.push(UnreadableField { prefix: "retired/".into(), at: texts(&["junk"]) });
    };
    let mut session = beside(open);
    let stored = format!("{{\"damaged\":[\"{TOKEN}\"]}}");
    let seen = read(&mut session, "own/a", &stored);
    assert!(!seen.contains("0123456789abcdef"), "{seen}");
    assert_eq!(write(&mut session, "own/b", &seen), Ok(stored));
    // The field takes no value of another declaration's class.
    let token = admin(&mut session, BASE);
    write(&mut session, "retired/a", &format!("{{\"junk\":[\"{token}\"]}}")).unwrap_err();
}
