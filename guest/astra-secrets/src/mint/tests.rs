//! Making tokens: what is asked, what is stored, and the end state after each
//! fault at each step.

#![expect(clippy::unwrap_used, reason = "tests")]

mod being_made;
mod faults;
mod start;
mod storage_faults;

use std::collections::BTreeMap;
use std::time::Duration;

use secrets_framework::host::HttpMethod;
use secrets_framework::testing::{StorageCall, request};
use secrets_framework::{Context, Error, Operation};
use serde_json::{Value, json};

use super::{Order, mint};
use crate::config;
use crate::names::{OrgId, RoleName};
use crate::record::TokenKind;
use crate::role;
use crate::testing::{ADMIN_B, Leased, Mount, ORG_A, ORG_B, ROLE_ID};

#[test]
fn a_mint_stores_answers_and_leases() {
    let mount = Mount::new();
    let made = Leased::of(mount.org_token(json!({ "metadata": { "team": "blue" } })));
    let client_id = made.client_id();
    let expires_at = "2026-01-01T04:20:00Z";
    assert_eq!(
        made.data,
        json!({
            "clientId": client_id, "secret": format!("canary-secret-{client_id}"),
            "token": format!("AstraCS:{client_id}:canary"), "orgId": ORG_A, "roleName": "reader", "logicalName": "",
            "generatedOn": "2026-01-01T00:00:00.147847107Z", "metadata": { "team": "blue" }, "expiresAt": expires_at,
        })
    );
    assert_eq!(made.secret.ttl, Duration::from_secs(3600));
    assert_eq!(made.secret.max_ttl, Duration::from_secs(4 * 3600));
    assert!(made.secret.renewable);
    assert_eq!(
        Value::Object(made.secret.internal_data.clone()),
        json!({
            "secret_type": "astra_token", "orgId": ORG_A, "clientId": client_id, "roleName": "reader",
            "tokenId": client_id, "origin": "https://api.astra.datastax.com", "expiresAt": expires_at,
        })
    );
    assert!(made.warnings.is_empty(), "{:?}", made.warnings);
    mount.assert_settled(1);
}

#[test]
fn astra_gets_roles_mark_and_an_expiry_a_little_after_the_lease() {
    let mount = Mount::new();
    let made = Leased::of(mount.creds());
    let body: Value = serde_json::from_str(&mount.host.http.requests()[0].body).unwrap();
    assert_eq!(body["roles"], json!([ROLE_ID]));
    assert_eq!(body["tokenExpiry"], "2026-01-01T04:20:00Z");
    let description = mount.astra.description(&made.client_id());
    let (mark, hex) = description.rsplit_once(':').unwrap();
    assert!(
        mark.starts_with("astra/ reader vault-mark:"),
        "mount and role, where nobody set a template: {description}"
    );
    assert!(hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{description}");
}

#[test]
fn the_roles_description_goes_before_the_configs() {
    let mount = Mount::new();
    mount.configure(ORG_A, crate::testing::ADMIN_A, json!({ "description": "config {{org}}" }));
    let first = Leased::of(mount.creds()).client_id();
    assert!(mount.astra.description(&first).starts_with(&format!("config {ORG_A} vault-mark:")));
    mount.write_role(ORG_A, "reader", json!({ "description": "role {{metadata.team}}" }));
    let data = json!({ "metadata": "team=blue" });
    let second = Leased::of(mount.write(&format!("creds/{ORG_A}/reader"), data)).client_id();
    assert!(mount.astra.description(&second).starts_with("role blue vault-mark:"));
}

#[test]
fn token_expiry_off_asks_for_none_and_reports_astras_own() {
    let mount = Mount::new();
    mount.write_role(ORG_A, "reader", json!({ "token_expiry": "off" }));
    let made = Leased::of(mount.creds());
    assert_eq!(mount.astra.expiry(&made.client_id()), None);
    assert!(made.data.get("expiresAt").is_none());

    // The organization's maximum is shorter than the lease: so is the lease.
    mount.astra.set_expiry_max("2026-01-01T00:30:00.000Z");
    let made = Leased::of(mount.creds());
    assert_eq!(made.data["expiresAt"], "2026-01-01T00:30:00.000Z");
    assert_eq!(made.secret.ttl, Duration::from_secs(1800));
    assert_eq!(made.secret.max_ttl, Duration::from_secs(1800));
    assert!(made.warnings[0].contains("30m0s"), "{:?}", made.warnings);

    // A token that has expired already is of no use to anybody.
    mount.astra.set_expiry_max("2025-12-31T00:00:00Z");
    let (code, text) = mount.creds().failed();
    assert_eq!(code, Some(502));
    assert!(text.contains("expired already"), "{text}");
    mount.assert_settled(2);
}

#[test]
fn the_mounts_own_times_count_where_the_role_has_none() {
    let mount = Mount::new();
    mount.write_role(ORG_A, "plain", json!({ "role_id": ROLE_ID }));
    mount.host.system_view.set_default_lease_ttl(Ok(Duration::from_secs(120)));
    mount.host.system_view.set_max_lease_ttl(Ok(Duration::from_secs(600)));
    let plain = Leased::of(mount.send(Operation::Read, &format!("creds/{ORG_A}/plain"), Value::Null));
    assert_eq!(plain.secret.ttl, Duration::from_secs(120));
    assert_eq!(plain.secret.max_ttl, Duration::from_secs(600));
    assert!(plain.warnings.is_empty());
    // The role's own are cut to the mount's, and that is said.
    let cut = Leased::of(mount.creds());
    assert_eq!(cut.secret.ttl, Duration::from_secs(600));
    assert!(cut.warnings[0].contains("1h0m0s") && cut.warnings[0].contains("10m0s"), "{:?}", cut.warnings);
}

#[test]
fn a_server_that_tells_no_lease_settings_makes_no_token() {
    use secrets_framework::host::SystemViewError;
    for told in [Ok(Duration::ZERO), Err(SystemViewError::Unsupported("max-lease-ttl"))] {
        let mount = Mount::new();
        mount.host.system_view.set_max_lease_ttl(told);
        mount.creds().0.unwrap_err();
        assert!(mount.host.http.requests().is_empty());
        mount.assert_settled(0);
    }
}

#[test]
fn organizations_never_mix() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.write_role(ORG_B, "reader", json!({ "role_id": ROLE_ID }));
    mount.host.http.clear();
    Leased::of(mount.creds());
    Leased::of(mount.send(Operation::Read, &format!("creds/{ORG_B}/reader"), Value::Null));
    let used: Vec<_> = mount.host.http.requests().into_iter().map(|request| request.client_id).collect();
    assert_eq!(used, ["AdminOfA", "AdminOfB"]);
}

#[test]
fn a_mint_makes_no_needless_calls() {
    let mount = Mount::new();
    Leased::of(mount.creds());
    let calls = |call| mount.host.storage.calls(call);
    assert_eq!(calls(StorageCall::Get), 2, "config and role");
    assert_eq!(calls(StorageCall::Put), 4, "write-ahead entry, record, two indexes");
    assert_eq!(calls(StorageCall::Delete), 1, "write-ahead entry");
    assert_eq!((calls(StorageCall::Begin), calls(StorageCall::Commit), calls(StorageCall::List)), (1, 1, 0));
    let methods: Vec<_> = mount.host.http.requests().iter().map(|request| request.method).collect();
    assert_eq!(methods, [HttpMethod::Post]);
}

/// Else the token would outlive the admin token that can revoke it.
#[test]
fn a_config_that_went_while_a_mint_without_a_start_began_makes_nothing() {
    let mount = Mount::new();
    let request = request(Operation::Read, "creds", Value::Null);
    let context = Context { host: &mount.host, request: &request };
    let config = config::load(&context, &OrgId::stored(ORG_A)).unwrap().unwrap();
    let role = role::load(&context, &config.org_id, &RoleName::stored("reader")).unwrap().unwrap();
    mount.send(Operation::Delete, &format!("config/{ORG_A}"), Value::Null).0.unwrap();
    mount.host.http.clear();
    let kind = TokenKind::Creds;
    let order = Order { config: &config, role: &role, kind, logical_name: None, metadata: BTreeMap::new(), ttl: None };
    let Err(error) = mint(&context, &order, None) else { panic!("a token was made") };
    assert!(matches!(error, Error::Coded { code: 409, .. }), "{error:?}");
    assert!(mount.host.http.requests().is_empty());
    mount.assert_settled(0);
}

#[test]
fn a_role_that_the_organization_no_longer_allows_makes_nothing() {
    let mount = Mount::new();
    mount.configure(ORG_A, crate::testing::ADMIN_A, json!({ "allowed_role_ids": "another" }));
    mount.host.http.clear();
    let text = mount.creds().mistake();
    assert!(text.contains(ROLE_ID) && text.contains("allowed_role_ids"), "{text}");
    assert!(mount.host.http.requests().is_empty());
    mount.assert_settled(0);
}

#[test]
fn a_node_that_cannot_write_makes_nothing_and_passes_the_servers_text_on() {
    for make in [Mount::creds, |mount: &Mount| mount.org_token(json!({ "logical_name": "app" }))] {
        let mount = Mount::new();
        mount.host.storage.set_read_only(true);
        let (code, text) = make(&mount).failed();
        assert_eq!((code, text.as_str()), (None, secrets_framework::testing::READ_ONLY_TEXT));
        assert!(mount.host.http.requests().is_empty());
        mount.assert_settled(0);
    }
}
