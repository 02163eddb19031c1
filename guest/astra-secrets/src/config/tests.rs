#![expect(clippy::unwrap_used, reason = "tests")]

mod retired;

use proptest::prelude::*;
use secrets_framework::Operation;
use secrets_framework::testing::{StorageCall, TestHost, request};
use serde_json::json;

use super::test_mount::{ORG_A, ORG_B, TOKEN_A, TOKEN_B};
use super::*;
use crate::limits::{
    ADMIN_TOKEN_BYTES_MAX, RETIRED_CONFIGS_MAX, RETIRED_DAMAGED_BYTES_MAX, STORAGE_KEY_BYTES_MAX,
    TRANSACTION_ATTEMPTS_MAX,
};
use crate::names::ClientId;
use crate::storage::first_keys_below;

fn with_context<T>(host: &TestHost, act: impl FnOnce(&Context<'_>) -> T) -> T {
    let request = request(Operation::Read, "config", Value::Null);
    act(&Context { host, request: &request })
}

fn seed(host: &TestHost, org_id: &str, config: Value) {
    host.storage.seed(&format!("config/{org_id}"), config.to_string());
}

fn go_config(org_id: &str, logical_name: &str) -> Value {
    json!({
        "astra_token": TOKEN_A, "url": "https://api.astra.datastax.com", "org_id": org_id,
        "logical_name": logical_name, "caller_mode": 1,
    })
}

#[test]
fn a_config_of_the_go_plugin_is_read_and_rewritten() {
    let host = TestHost::new();
    for (number, mode) in [(1, CallerMode::Standard), (2, CallerMode::Sidecar), (0, CallerMode::Standard)] {
        let mut stored = go_config(ORG_A, "prod");
        stored["caller_mode"] = number.into();
        stored["renewal_time"] = json!(3_600_000_000_000_i64);
        seed(&host, ORG_A, stored);
        let config = with_context(&host, |context| load(context, &OrgId::stored(ORG_A))).unwrap().unwrap();
        assert_eq!(config.caller_mode, mode);
        assert_eq!(config.admin_token.expose(), TOKEN_A);
        assert_eq!(config.logical_name_text(), "prod");
        assert_eq!((config.request_timeout(), config.max_retries()), (Duration::from_secs(10), 2));

        let entry = config.to_entry().unwrap();
        assert_eq!(entry.key, format!("config/{ORG_A}"));
        assert!(entry.seal_wrap);
        let rewritten: Value = serde_json::from_slice(&entry.value).unwrap();
        assert_eq!(
            rewritten,
            json!({
                "astra_token": TOKEN_A, "url": "https://api.astra.datastax.com", "org_id": ORG_A, "logical_name": "prod",
                "caller_mode": number.max(1), "renewal_time": 3_600_000_000_000_i64,
            }),
            "what nobody here knows is kept, and nothing is added"
        );
    }
}

#[test]
fn our_fields_survive_storage() {
    let mut config = OrgConfig::new(OrgId::stored(ORG_A), AdminToken::stored(TOKEN_A.to_owned()));
    config.url = ApiUrl::parse("https://gateway.example:8443/astra/").unwrap();
    config.allowed_role_ids = vec![AstraRoleId::stored("r1"), AstraRoleId::stored("r2")];
    config.description = "{{mount}}".to_owned();
    config.request_timeout_set = Some(Duration::from_secs(7));
    config.max_retries_set = Some(0);
    config.other.insert("rotation_grace_period".to_owned(), json!(5));
    let entry = config.to_entry().unwrap();
    let again = stored::decode(&entry, &config.org_id).unwrap();
    assert_eq!(stored::to_map(&again), stored::to_map(&config));
    assert_eq!(again.url.to_string(), "https://gateway.example:8443/astra");
    assert_eq!(again.request_timeout(), Duration::from_secs(7));
    assert_eq!(again.max_retries(), 0);
}

#[test]
fn a_damaged_entry_is_an_error_that_quotes_nothing() {
    let host = TestHost::new();
    host.storage.seed(&format!("config/{ORG_A}"), "[\"AstraCS:canary\"]");
    let error = with_context(&host, |context| load(context, &OrgId::stored(ORG_A))).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the stored config of organization `{ORG_A}` is damaged: it is not JSON: write `config/{ORG_A}` anew, with \
             `astra_token` and `url`, or delete it with `force=true`"
        )
    );
}

#[test]
fn loading_by_id_takes_one_read() {
    let host = TestHost::new();
    seed(&host, ORG_A, go_config(ORG_A, "prod"));
    with_context(&host, |context| find(context, ORG_A)).unwrap().unwrap();
    assert_eq!((host.storage.calls(StorageCall::Get), host.storage.calls(StorageCall::List)), (1, 0));
}

#[test]
fn a_logical_name_is_found_without_its_cache_and_despite_a_wrong_one() {
    let host = TestHost::new();
    seed(&host, ORG_A, go_config(ORG_A, "prod"));
    seed(&host, ORG_B, go_config(ORG_B, "test"));
    let found = |name: &str| {
        with_context(&host, |context| find(context, name)).unwrap().map(|config| config.org_id.to_string())
    };
    assert_eq!(found("test").as_deref(), Some(ORG_B), "a mount of the Go plugin has no cache");
    assert_eq!(found("Test"), None, "its case counts");
    host.storage.seed("logical-name/test", json!(ORG_A).to_string());
    assert_eq!(found("test").as_deref(), Some(ORG_B), "the cache is never trusted alone");
    host.storage.seed("logical-name/test", "damaged");
    assert_eq!(found("test").as_deref(), Some(ORG_B));
    host.storage.seed("logical-name/gone", json!("no-such-org").to_string());
    assert_eq!(found("gone"), None);
    assert_eq!(found(""), None);
}

#[test]
fn a_cached_logical_name_takes_three_reads_and_no_list() {
    let host = TestHost::new();
    seed(&host, ORG_A, go_config(ORG_A, "prod"));
    host.storage.seed("logical-name/prod", json!(ORG_A).to_string());
    with_context(&host, |context| find(context, "prod")).unwrap().unwrap();
    assert_eq!((host.storage.calls(StorageCall::Get), host.storage.calls(StorageCall::List)), (3, 0));
}

#[test]
fn organizations_under_odd_names_are_listed_and_loaded() {
    let host = TestHost::new();
    for org_id in ["a/b", "a/c/d", "x:y", ORG_A, " "] {
        seed(&host, org_id, go_config(org_id, ""));
    }
    let ids = org_ids(&*host.storage).unwrap();
    let mut names: Vec<_> = ids.iter().map(OrgId::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, [" ", ORG_A, "a/b", "a/c/d", "x:y"]);
    for org_id in &ids {
        assert!(with_context(&host, |context| load(context, org_id)).unwrap().is_some(), "{org_id}");
    }
}

#[test]
fn a_walk_pages_starts_in_place_and_is_bounded() {
    let host = TestHost::new();
    for number in 0..2_500 {
        host.storage.seed(&format!("p/a:{number:04}"), "");
        host.storage.seed(&format!("p/b:{number:04}"), "");
    }
    let keys = keys_below(&*host.storage, "p/", "b:", 3_000).unwrap();
    assert_eq!(keys.len(), 2_500);
    assert!(keys.iter().all(|key| key.starts_with("b:")) && keys.is_sorted());
    let error = keys_below(&*host.storage, "p/", "", 4_999).unwrap_err();
    assert_eq!(error.to_string(), "`p/` holds more than 4999 entries");

    host.storage.seed(&format!("q/{}end", "f/".repeat(crate::limits::WALK_DEPTH_MAX)), "");
    assert_eq!(keys_below(&*host.storage, "q/", "", 10).unwrap().len(), 1);
    host.storage.seed(&format!("q/{}end", "f/".repeat(crate::limits::WALK_DEPTH_MAX + 1)), "");
    let keys = keys_below(&*host.storage, "q/", "", 10).unwrap();
    assert_eq!(keys.len(), 1, "what lies deeper hides nothing else");
    assert_eq!(first_keys_below(&*host.storage, "p/", 7).unwrap().len(), 7);
}

#[test]
fn urls_are_parsed_once() {
    for (text, origin, base_path) in [
        ("", "https://api.astra.datastax.com", ""),
        ("https://api.astra.datastax.com/", "https://api.astra.datastax.com", ""),
        ("https://API.Example:443", "https://api.example", ""),
        ("https://api.example:8443//", "https://api.example:8443", ""),
        ("http://127.0.0.1:80/", "http://127.0.0.1", ""),
        ("http://127.0.0.1:8099", "http://127.0.0.1:8099", ""),
        ("https://[::1]:9/x/", "https://[::1]:9", "/x"),
    ] {
        let url = ApiUrl::parse(text).unwrap();
        assert_eq!((url.origin().as_str(), url.base_path()), (origin, base_path), "{text}");
        assert_eq!(ApiUrl::stored(&url.to_string()), url);
    }
    for text in [
        "api.astra.datastax.com",
        "ftp://x",
        "https://",
        "https://u:p@x",
        "https://x?y",
        "https://x#y",
        "https://x:0",
        "https://x:99999",
        "https://x:",
        "/v2",
        "https://x/../y",
        "https://a b",
    ] {
        assert!(ApiUrl::parse(text).is_err(), "{text}");
    }
    for text in ["https://user:canary@x", "canary@x y", "https://x/?key=canary", "https://x/#canary"] {
        let error = ApiUrl::parse(text).unwrap_err().to_string();
        assert!(error.starts_with("`url` ") && !error.contains("canary"), "{error}");
    }
    assert_eq!(ApiUrl::stored("not a url").to_string(), "not a url", "kept, so that it can be put right");
}

proptest! {
    #[test]
    fn a_url_is_the_same_when_it_is_read_again(text in "(https?://)?[a-zA-Z0-9.:@/?#%_-]{0,30}") {
        if let Ok(url) = ApiUrl::parse(&text) {
            prop_assert_eq!(&ApiUrl::parse(&url.to_string()).unwrap(), &url);
            let origin = url.origin().as_str();
            let host = origin.strip_prefix("https://").or(origin.strip_prefix("http://")).unwrap();
            prop_assert!(!host.is_empty() && !host.contains(['/', '@', '?', '#']));
            prop_assert!(url.base_path().is_empty() || url.base_path().starts_with('/'));
            prop_assert!(!url.base_path().ends_with('/'));
        }
    }

    #[test]
    fn an_admin_token_is_taken_or_refused_without_being_shown(text in "(AstraCS:)?\\PC{0,30}") {
        match AdminToken::parse("astra_token", &text) {
            Ok(token) => prop_assert!(text.starts_with("AstraCS:") && token.client_id().is_some()),
            Err(error) => {
                // What our own advice says is no secret of theirs.
                let rest = text.trim_start_matches("AstraCS:");
                prop_assert!(rest.len() < 8 || !error.to_string().contains(rest));
            }
        }
    }
}

#[test]
fn under_a_key_that_is_too_long_there_is_nothing() {
    let host = TestHost::new();
    let long = |bytes: usize| "x".repeat(bytes - CONFIG_PREFIX.len());
    for (org_id, reads) in [(long(STORAGE_KEY_BYTES_MAX), 1), (long(STORAGE_KEY_BYTES_MAX + 1), 0)] {
        host.storage.clear_calls();
        assert!(with_context(&host, |context| load(context, &OrgId::stored(org_id))).unwrap().is_none());
        assert_eq!(host.storage.calls(StorageCall::Get), reads);
    }
}

#[test]
fn admin_tokens_are_checked_and_never_shown() {
    assert_eq!(
        AdminToken::parse("astra_token", TOKEN_A).unwrap().redacted(),
        "AstraCS:AdminClientOfOrgAaaaaaaa:redacted"
    );
    assert_eq!(
        AdminToken::parse("astra_token", "AstraCS:short-1:x").unwrap().client_id(),
        Some(ClientId::stored("short-1"))
    );
    let longest = format!("AstraCS:a:{}", "b".repeat(ADMIN_TOKEN_BYTES_MAX - 10));
    assert!(AdminToken::parse("astra_token", &longest).is_ok());
    for bad in [
        "",
        "canary",
        "AstraCS:canary",
        "AstraCS::canary",
        "AstraCS:canary:",
        "AstraCS:canary:x:y",
        "AstraCS:canary:x\n",
        "AstraCS:canary:redacted",
        " AstraCS:canary:x",
        "Bearer AstraCS:canary:x",
        &format!("{longest}b"),
    ] {
        let error = AdminToken::parse("astra_token", bad).unwrap_err().to_string();
        assert!(error.starts_with("`astra_token` ") && !error.contains("canary"), "{error}");
    }
    assert_eq!(AdminToken::stored("odd".to_owned()).redacted(), "AstraCS:unknown:redacted");
    assert_eq!(format!("{:?}", AdminToken::stored(TOKEN_A.to_owned())), "AdminToken([redacted])");
    let config = OrgConfig::new(OrgId::stored(ORG_A), AdminToken::stored(TOKEN_A.to_owned()));
    assert!(!format!("{config:?}").contains("AstraCS"));
}

#[test]
fn allowed_roles_are_all_or_those_listed() {
    let mut config = OrgConfig::new(OrgId::stored(ORG_A), AdminToken::stored(TOKEN_A.to_owned()));
    let [r1, r2] = ["r1", "r2"].map(AstraRoleId::stored);
    let asked = [r1.clone(), r2.clone()];
    assert_eq!(config.forbidden_role_id(&asked), None);
    config.allowed_role_ids = vec![r1];
    assert_eq!(config.forbidden_role_id(&asked), Some(&r2));
}
