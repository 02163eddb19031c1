//! What is left of a config, and entries that are written together.

use secrets_framework::host::StorageError;

use super::*;
use crate::storage::{Write, write_batch};

fn retire_at(host: &TestHost, url: &str, token: &str) -> Result<(), Error> {
    with_context(host, |context| {
        let mut config = OrgConfig::new(OrgId::stored(ORG_A), AdminToken::stored(token.to_owned()));
        config.url = ApiUrl::parse(url).unwrap();
        write_batch(context, &[Retired::load(context, &config.org_id)?.keep(&config)?])
    })
}

#[test]
fn a_retired_config_serves_its_own_origin_until_it_is_dropped() {
    let host = TestHost::new();
    let org_id = OrgId::stored(ORG_A);
    let token_for = |origin: Option<&str>| {
        let origin = origin.map(Origin::stored);
        let config = with_context(&host, |context| load_for_revocation(context, &org_id, origin.as_ref())).unwrap();
        config.map(|config| config.admin_token.expose().to_owned())
    };
    assert_eq!(token_for(None), None);
    retire_at(&host, "https://one.example", TOKEN_A).unwrap();
    retire_at(&host, "https://two.example", TOKEN_B).unwrap();
    assert!(host.storage.snapshot()[&format!("retired-config/{ORG_A}")].seal_wrap);
    assert_eq!(token_for(Some("https://one.example")).as_deref(), Some(TOKEN_A));
    assert_eq!(token_for(Some("https://two.example")).as_deref(), Some(TOKEN_B));
    assert_eq!(token_for(Some("https://three.example")), None, "a token only goes where it was configured to");
    assert_eq!(token_for(None).as_deref(), Some(TOKEN_B), "the latest, for leases that name no origin");
    assert!(with_context(&host, |context| load(context, &org_id)).unwrap().is_none(), "it is no config");

    // A config that was written since comes first at its own origin only.
    let mut current = go_config(ORG_A, "");
    current["url"] = "https://one.example".into();
    current["astra_token"] = "AstraCS:new:new".into();
    seed(&host, ORG_A, current);
    assert_eq!(token_for(Some("https://one.example")).as_deref(), Some("AstraCS:new:new"));
    assert_eq!(token_for(Some("https://two.example")).as_deref(), Some(TOKEN_B));
    assert_eq!(token_for(None).as_deref(), Some("AstraCS:new:new"));

    assert!(with_context(&host, |context| has_retired(context, &org_id)).unwrap());
    with_context(&host, |context| drop_retired(context, &org_id)).unwrap();
    assert_eq!(token_for(Some("https://two.example")), None);
    assert!(!with_context(&host, |context| has_retired(context, &org_id)).unwrap());
}

#[test]
fn only_so_many_origins_are_kept() {
    let host = TestHost::new();
    for number in 0..RETIRED_CONFIGS_MAX {
        retire_at(&host, &format!("https://o{number}.example"), TOKEN_A).unwrap();
    }
    retire_at(&host, "https://o0.example", TOKEN_B).unwrap();
    let error = retire_at(&host, "https://more.example", TOKEN_A).unwrap_err();
    assert!(matches!(error, Error::BadRequest(_)), "{error:?}");
}

#[test]
fn writes_that_belong_together_are_repeated_after_a_conflict() {
    let host = TestHost::new();
    let put = |key: &str| Write::Put(StorageEntry { key: key.to_owned(), value: b"1".to_vec(), seal_wrap: false });
    let writes = [put("a"), put("b"), Write::Delete("c".to_owned())];
    host.storage.seed("c", "1");
    let conflict = || StorageError::Conflict("conflict".to_owned());
    for nth in 1..TRANSACTION_ATTEMPTS_MAX {
        host.storage.fail_nth(StorageCall::Commit, nth.into(), conflict());
    }
    with_context(&host, |context| write_batch(context, &writes)).unwrap();
    assert_eq!(host.storage.keys(), ["a", "b"]);

    host.storage.fail_prefix(StorageCall::Commit, "", conflict());
    host.storage.clear_calls();
    assert!(with_context(&host, |context| write_batch(context, &writes)).is_err());
    assert_eq!(host.storage.calls(StorageCall::Commit), u64::from(TRANSACTION_ATTEMPTS_MAX));
}

#[test]
fn writes_are_whole_with_transactions_and_in_order_without() {
    let put = |key: &str| Write::Put(StorageEntry { key: key.to_owned(), value: b"1".to_vec(), seal_wrap: false });
    for (transactional, left) in [(true, vec![]), (false, vec!["a".to_owned()])] {
        let host = TestHost::new();
        host.storage.set_transactional(transactional);
        host.storage.fail_nth(StorageCall::Put, 2, StorageError::Failed("full".to_owned()));
        assert!(with_context(&host, |context| write_batch(context, &[put("a"), put("b")])).is_err());
        assert_eq!(host.storage.keys(), left);
    }
}

fn stored(host: &TestHost) -> Value {
    host.storage.json(&format!("retired-config/{ORG_A}"))
}

fn origins(host: &TestHost) -> Vec<String> {
    let retired = with_context(host, |context| Retired::load(context, &OrgId::stored(ORG_A))).unwrap();
    retired.into_configs().map(|config| config.url.origin().to_string()).collect()
}

#[test]
fn what_cannot_be_read_of_a_retired_config_is_carried_along_by_writes() {
    let readable = || json!({ "astra_token": TOKEN_B, "url": "https://old.example" });
    let wrong_url = || json!({ "astra_token": TOKEN_B, "url": 5 });
    let bytes: &[u8] = b"\xff\x00";
    let cases: [(Vec<u8>, Value, usize); 6] = [
        (b"{\"configs\":[".to_vec(), json!(["{\"configs\":["]), 0),
        (bytes.to_vec(), json!([[255, 0]]), 0),
        (b"[1]".to_vec(), json!([[1]]), 0),
        (json!({ "configs": "x" }).to_string().into_bytes(), json!(["x"]), 0),
        (json!({ "configs": [readable(), 7, wrong_url()] }).to_string().into_bytes(), json!([7, wrong_url()]), 1),
        (json!({ "configs": [readable()], "damaged": ["x"] }).to_string().into_bytes(), json!(["x"]), 1),
    ];
    for (value, damaged, readable) in cases {
        let host = TestHost::new();
        host.storage.seed(&format!("retired-config/{ORG_A}"), value);
        assert_eq!(origins(&host).len(), readable, "{damaged}");
        for url in ["https://one.example", "https://two.example"] {
            retire_at(&host, url, TOKEN_A).unwrap();
            assert_eq!(stored(&host)["damaged"], damaged);
        }
        assert_eq!(origins(&host).len(), readable + 2, "{damaged}");
        let mut retired = with_context(&host, |context| Retired::load(context, &OrgId::stored(ORG_A))).unwrap();
        assert!(retired.damage().unwrap().contains(&format!("`retired-config/{ORG_A}`")));
        assert!(retired.discard_damage().is_some() && retired.damage().is_none());
    }
}

#[test]
fn a_damaged_entry_that_no_write_can_carry_along_is_not_written_over() {
    for too_large in [true, false] {
        let host = TestHost::new();
        let key = format!("retired-config/{ORG_A}");
        host.storage.seed(&key, if too_large { vec![b'x'; RETIRED_DAMAGED_BYTES_MAX + 1] } else { b"{}".to_vec() });
        if !too_large {
            host.storage.fail_prefix(StorageCall::Get, &key, StorageError::Failed("cannot decrypt".to_owned()));
        }
        let before = host.storage.snapshot();
        let error = retire_at(&host, "https://one.example", TOKEN_A).unwrap_err().to_string();
        assert!(error.contains(&key) && error.contains("`force=true`"), "{error}");
        assert_eq!(host.storage.snapshot(), before);
        let org_id = OrgId::stored(ORG_A);
        assert!(with_context(&host, |context| has_retired(context, &org_id)).unwrap());
        let mut retired = with_context(&host, |context| Retired::load(context, &org_id)).unwrap();
        assert!(retired.forget(&Origin::stored("https://one.example")).unwrap().is_none());
    }
}

#[test]
fn fields_that_a_newer_version_added_to_a_retired_config_are_kept() {
    let host = TestHost::new();
    host.storage.seed(&format!("retired-config/{ORG_A}"), r#"{"configs":[],"future":1}"#);
    retire_at(&host, "https://one.example", TOKEN_A).unwrap();
    assert_eq!((&stored(&host)["future"], &stored(&host)["damaged"]), (&json!(1), &Value::Null));
}
