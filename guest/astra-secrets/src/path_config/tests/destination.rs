//! A stored token goes only where it was stored for, and a refused write sends nothing.

use secrets_framework::host::HttpMethod;
use serde_json::{Value, json};

use super::*;
use crate::limits::RETIRED_CONFIGS_MAX;

const STORED_URL: &str = "https://gate.example:8443/astra";

/// Each goes elsewhere than [`STORED_URL`]; the empty one is Astra's own.
const ELSEWHERE: [&str; 9] = [
    "https://other.example:8443/astra",
    "https://gate.example/astra",
    "https://gate.example:443/astra",
    "https://gate.example:8444/astra",
    "http://gate.example:8443/astra",
    "https://gate.example:8443/astra2",
    "https://gate.example:8443/Astra",
    "https://gate.example:8443",
    "",
];

/// Each is [`STORED_URL`] in other words.
const THE_SAME: [&str; 4] = [
    STORED_URL,
    "https://gate.example:8443/astra/",
    "HTTPS://Gate.Example:8443/astra",
    "https://gate.example:08443/astra//",
];

fn configured(with_tokens: bool) -> Mount {
    let mount = Mount::new();
    mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "url": STORED_URL })).done();
    if with_tokens {
        mount.seed_token(ORG_A, "LiveClientLiveClientLive");
    }
    mount.host.http.clear();
    mount
}

fn merged(fields: &[Value]) -> Value {
    let fields = fields.iter().flat_map(|fields| fields.as_object().unwrap().clone());
    Value::Object(fields.collect())
}

/// Both spellings of the path.
fn spellings() -> [(String, Value); 2] {
    [(path_a(), json!({})), ("config".to_owned(), json!({ "org_id": ORG_A }))]
}

#[test]
fn a_stored_token_is_never_sent_to_another_url() {
    let flags =
        [json!({}), json!({ "force": true }), json!({ "verify": false }), json!({ "force": true, "verify": false })];
    for with_tokens in [true, false] {
        let mount = configured(with_tokens);
        let before = mount.host.storage.snapshot();
        for url in ELSEWHERE {
            for flags in &flags {
                for (path, org) in spellings() {
                    let data = merged(&[org, json!({ "url": url }), flags.clone()]);
                    let mistake = mount.write(&path, data.clone()).mistake();
                    assert!(mistake.contains("`astra_token`") && mistake.contains(STORED_URL), "{data}: {mistake}");
                    assert!(!mistake.contains("AstraCS"), "{mistake}");
                }
            }
        }
        assert_eq!(mount.asked(), Vec::<String>::new());
        assert_eq!(mount.host.storage.snapshot(), before);
    }
}

#[test]
fn a_url_in_other_words_is_no_change() {
    let mount = configured(true);
    for url in THE_SAME {
        for (path, org) in spellings() {
            mount.write(&path, merged(&[org, json!({ "url": url })])).done();
        }
    }
    assert_eq!(mount.asked(), Vec::<String>::new(), "there is nothing to check");
    assert_eq!(mount.host.storage.json(&path_a())["url"], STORED_URL);

    let mount = Mount::with_org_a();
    for url in ["", "https://api.astra.datastax.com", "https://API.astra.datastax.com:443/"] {
        mount.write(&path_a(), json!({ "url": url })).done();
    }
    assert_eq!(mount.asked(), Vec::<String>::new());
}

#[test]
fn a_token_given_with_the_url_is_sent_there_the_stored_one_or_another() {
    for url in ELSEWHERE {
        for token in [TOKEN_A, "AstraCS:Another:another"] {
            let mount = configured(false);
            mount.script_astra(&[(TOKEN_A, ORG_A, json!([])), ("AstraCS:Another:another", ORG_A, json!([]))]);
            mount.write(&path_a(), json!({ "url": url, "astra_token": token })).done();
            let [request] = mount.host.http.requests().try_into().unwrap();
            assert_eq!(
                (request.method, request.client_id.as_str()),
                (HttpMethod::Get, token.split(':').nth(1).unwrap())
            );
            let base =
                if url.is_empty() { "https://api.astra.datastax.com" } else { url.trim_end_matches(":443/astra") };
            assert!(mount.asked()[0].starts_with(base), "{:?}", mount.asked());
            assert_eq!(mount.host.storage.json(&path_a())["astra_token"], token);
        }
    }
}

#[test]
fn a_stored_url_that_is_not_valid_is_put_right_with_a_token_and_never_shown() {
    for odd in ["gate.example", "https://user:canary@gate.example", "https://gate.example/?key=canary", "ftp://canary"]
    {
        let mount = Mount::new();
        let config =
            json!({ "astra_token": TOKEN_A, "url": odd, "org_id": ORG_A, "logical_name": "", "caller_mode": 1 });
        mount.host.storage.seed(&path_a(), config.to_string());
        for url in ["", "https://gate.example"] {
            let mistake = mount.write(&path_a(), json!({ "url": url, "force": true, "verify": false })).mistake();
            assert!(mistake.contains("`astra_token`") && !mistake.contains("canary"), "{mistake}");
        }
        for verify in [true, false] {
            let mistake = mount.write(&path_a(), json!({ "astra_token": TOKEN_A, "verify": verify })).mistake();
            assert!(mistake.contains("missing `url`") && !mistake.contains("canary"), "{mistake}");
        }
        mount.seed_token(ORG_A, "LiveClientLiveClientLive");
        let moved = json!({ "astra_token": TOKEN_A, "url": "https://gate.example" });
        let mistake = mount.write(&path_a(), moved.clone()).mistake();
        assert!(mistake.contains("`force=true`") && !mistake.contains("canary"), "{mistake}");
        assert_eq!(mount.asked(), Vec::<String>::new());
        mount.write(&path_a(), json!({ "description": "x" })).done();
        assert_eq!(mount.host.storage.json(&path_a())["url"], odd, "other settings can be changed");
        mount.write(&path_a(), merged(&[moved, json!({ "force": true })])).done();
        assert_eq!(mount.asked(), ["https://gate.example/v2/currentOrg"]);
    }
}

/// What is refused here, without Astra, is refused before Astra is asked.
#[test]
fn a_write_that_is_refused_here_sends_nothing() {
    let full = || {
        let mount = configured(true);
        let configs = (0..RETIRED_CONFIGS_MAX).map(
            |number| json!({ "astra_token": TOKEN_A, "url": format!("https://o{number}.example"), "org_id": ORG_A }),
        );
        let retired = json!({ "configs": configs.collect::<Vec<_>>() });
        mount.host.storage.seed(&format!("retired-config/{ORG_A}"), retired.to_string());
        mount
    };
    let crowded = || {
        let mount = Mount::new();
        for number in 0..CONFIGS_MAX {
            mount.host.storage.seed(&format!("config/{number:036}"), "{}");
        }
        mount
    };
    let named = || {
        let mount = configured(true);
        mount.write(&format!("config/{ORG_B}"), json!({ "astra_token": TOKEN_B, "logical_name": "prod" })).done();
        mount
    };
    let fenced = || {
        let mount = configured(true);
        mount.host.http.script_origins(|origin| Err(format!("`{origin}` is not allowed")));
        mount
    };
    let new_url = json!({ "astra_token": TOKEN_A, "url": "https://new.example" });
    let new_token = json!({ "astra_token": "AstraCS:Another:another" });
    type Row<'a> = (&'a str, Box<dyn Fn() -> Mount + 'a>, Value);
    let rows: [Row<'_>; 8] = [
        ("live tokens", Box::new(|| configured(true)), new_url.clone()),
        ("a full list of left origins", Box::new(full), merged(&[new_url.clone(), json!({ "force": true })])),
        ("a full mount", Box::new(crowded), new_url.clone()),
        ("another's logical name", Box::new(named), merged(&[new_token.clone(), json!({ "logical_name": "prod" })])),
        (
            "another's ID as logical name",
            Box::new(named),
            merged(&[new_token.clone(), json!({ "logical_name": ORG_B })]),
        ),
        ("the egress policy", Box::new(fenced), merged(&[new_url.clone(), json!({ "force": true })])),
        ("a schedule", Box::new(|| configured(true)), merged(&[new_token.clone(), json!({ "rotation_period": 1 })])),
        ("role IDs", Box::new(|| configured(true)), merged(&[new_token, json!({ "allowed_role_ids": "a b" })])),
    ];
    for (name, mount, data) in rows {
        let mount = mount();
        mount.host.http.clear();
        let before = mount.host.storage.snapshot();
        let answered = mount.write(&path_a(), data);
        let refused =
            answered.0.as_ref().map_or(true, |response| response.as_ref().is_some_and(|response| response.is_error()));
        assert!(refused, "{name}: {answered:?}");
        assert_eq!(mount.asked(), Vec::<String>::new(), "{name}");
        assert_eq!(mount.host.storage.snapshot(), before, "{name}");
    }
}
