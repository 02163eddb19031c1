//! `--astra-read-only`: a copy of a server, such as a restored snapshot, changes nothing in Astra, and keeps all
//! pending work.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use astra_simulator::{Effect, FaultRule, TokenState};
use harness::limits::ROLLBACK_DEADLINE;
use harness::openbao::{MountSettings, OpenBaoDriver, Server, ServerKind};
use harness::{Outcome, Stage, StageOptions, arguments, start_astra};
use serde_json::{Value, json};

use crate::faults::{SECRETS, status};
use crate::rotation::rotate;
use crate::static_role;

scenarios! { fake:
    each_change_of_astra_is_refused_with_its_argument,
    reads_from_astra_continue_on_a_read_only_mount,
    a_lost_mint_waits_and_is_undone_afterwards,
    a_mount_with_leases_is_not_disabled,
}

const ARGUMENT: &str = "--astra-read-only";

/// All live tokens in Astra, including admin tokens.
fn alive(stage: &Stage) -> BTreeSet<String> {
    let tokens = stage.astra.tokens(&stage.alpha.id).into_iter();
    tokens.filter(|token| token.state == TokenState::Live).map(|token| token.client_id).collect()
}

/// The methods of Astra's requests after the first `seen`.
fn methods_since(stage: &Stage, seen: usize) -> BTreeSet<String> {
    stage.astra.requests().into_iter().skip(seen).map(|request| request.method).collect()
}

#[track_caller]
fn assert_only_read(stage: &Stage, seen: usize) {
    let methods = methods_since(stage, seen);
    assert!(methods.iter().all(|method| method == "GET"), "{methods:?}");
}

/// Every operation that changes Astra, with the refusal that its client gets.
fn refused_operations(stage: &Stage, client_id: &str) -> Vec<(&'static str, Outcome)> {
    let alpha = &stage.alpha;
    let config = format!("config/{}", alpha.id);
    let shared = json!({ "org_id": alpha.id, "role_name": "reader", "logical_name": "second" });
    let minute = json!({ "role_ids": [stage.astra_role(alpha, "R/W User")], "rotation_period": "24h" });
    vec![
        ("creds", stage.mint(alpha, "reader")),
        ("creds, written", stage.write(&format!("creds/{}/reader", alpha.id), json!({ "ttl": "5m" }))),
        ("org/token", stage.write("org/token", shared)),
        ("rotate-root", rotate(stage)),
        ("rotate-role", static_role::rotate(stage, "app")),
        ("a new static role", stage.write(&static_role::path(stage, "new"), minute)),
        ("delete of a static role", stage.delete(&static_role::path(stage, "app"), Value::Null)),
        ("delete of a token", stage.delete(&format!("tokens/{}/{client_id}", alpha.id), Value::Null)),
        ("forced delete of a config", stage.delete(&config, json!({ "force": true }))),
        ("deep check", stage.read(&format!("{config}/check"), json!({ "deep": true }))),
        ("tidy", stage.write("tidy", json!({ "dry_run": false }))),
        ("a checked token", stage.write(&config, json!({ "astra_token": stage.beta.token }))),
    ]
}

#[track_caller]
fn assert_each_is_refused(stage: &Stage, client_id: &str) {
    for (name, outcome) in refused_operations(stage, client_id) {
        let is_refused = outcome.status == 503 && outcome.messages().contains(ARGUMENT);
        assert!(is_refused, "{name}: {outcome:#?}");
    }
}

/// An operator's work on a copy, which causes no write to Astra.
#[track_caller]
fn assert_reads_and_settings_work(stage: &Stage) {
    let config = format!("config/{}", stage.alpha.id);
    let info = stage.read("info", Value::Null).expect(200);
    assert!(info.data["astra_read_only"] == true && info.warnings[0].contains(ARGUMENT), "{info:#?}");
    let check = stage.read(&format!("{config}/check"), Value::Null).expect(200);
    assert!(check.data["astra_read_only"] == true && check.warnings[0].contains(ARGUMENT), "{check:#?}");
    assert_eq!(check.data["token_valid"]["ok"], "yes", "{check:#?}");
    assert!(stage.write(&config, json!({ "description": "{{role}}" })).status < 300);
    assert!(stage.write(&config, json!({ "astra_token": stage.alpha.token, "verify": false })).status < 300);
    stage.make_role(&stage.alpha, "writer", json!({}));
    stage.write("tidy", json!({ "dry_run": true })).expect(200);
    stage.write(&format!("{config}/sync-roles"), json!({})).expect(200);
    assert!(stage.works(static_role::creds(stage, "app").expect(200).text("token")));
}

fn each_change_of_astra_is_refused_with_its_argument(stage: &Stage) {
    stage.ready();
    static_role::made(stage, json!({}));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let (live, seen) = (alive(stage), stage.astra.requests().len());
    stage.fake().set_upstream_read_only(true);
    assert_each_is_refused(stage, minted.text("clientId"));
    stage.revoke(&minted.lease_id()).expect_error(400, &[ARGUMENT, "was not revoked"]);
    assert_eq!(methods_since(stage, seen), BTreeSet::new(), "nothing is even asked");
    assert_eq!(alive(stage), live);
    stage.assert_held(&stage.alpha, 1, 1);

    stage.fake().set_upstream_read_only(false);
    stage.revoke(&minted.lease_id()).expect(204);
    assert!(rotate(stage).status < 300 && static_role::rotate(stage, "app").status < 300);
}

fn reads_from_astra_continue_on_a_read_only_mount(stage: &Stage) {
    stage.ready();
    static_role::made(stage, json!({}));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let (live, seen) = (alive(stage), stage.astra.requests().len());
    stage.fake().set_upstream_read_only(true);
    assert_reads_and_settings_work(stage);
    stage.renew(&minted.lease_id(), None).expect(200);
    assert_only_read(stage, seen);
    assert_eq!(alive(stage), live);
}

/// Astra makes a token, and both its answer and the following lists are lost.
fn lose_a_mint(stage: &Stage) {
    stage.astra.fault(FaultRule::new(status(500, Effect::Done)).method("POST").path(SECRETS).first(1));
    stage.astra.fault(FaultRule::new(status(500, Effect::NotDone)).method("GET").path(SECRETS));
    stage.mint(&stage.alpha, "reader").expect(502);
    stage.astra.clear_faults();
}

fn a_lost_mint_waits_and_is_undone_afterwards(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    lose_a_mint(stage);
    stage.age_wal();
    let (live, wal, seen) = (alive(stage), stage.wal(), stage.astra.requests().len());
    assert_eq!((live.len(), wal.len()), (2, 1));
    stage.fake().set_upstream_read_only(true);
    assert!(!stage.driver.settle(&|| alive(stage) != live || stage.wal() != wal), "no call does anything");
    assert_eq!(methods_since(stage, seen), BTreeSet::new());
    stage.fake().set_upstream_read_only(false);
    stage.settle_at(&stage.alpha, 0);
}

fn a_mount_with_leases_is_not_disabled(stage: &Stage) {
    stage.ready();
    stage.mint(&stage.alpha, "reader").expect(200);
    stage.fake().set_upstream_read_only(true);
    stage.driver.disable().expect_error(400, &[ARGUMENT]);
    stage.assert_consistent(&stage.alpha, 1);
    stage.fake().set_upstream_read_only(false);
    stage.driver.disable().expect(204);
    assert!(stage.live(&stage.alpha).is_empty());
}

/// File of the plugin on the copy: the registration of the live server names another one.
const FILE_OF_THE_COPY: &str = "plugin-of-the-copy";

fn options() -> StageOptions {
    StageOptions { wal_min_age: Duration::from_secs(1), ..StageOptions::default() }
}

/// The live server: a lease that continues, one that ends soon, a lost mint, and two tokens that rotate each minute.
fn live_server(server: &Arc<Server>) -> (Stage, [Outcome; 2]) {
    let astra = start_astra(&options());
    let settings = MountSettings {
        plugin: "astra".to_owned(),
        mount_point: "astra/".to_owned(),
        arguments: arguments(&options(), Some(astra.url().to_owned())),
        ..MountSettings::default()
    };
    let stage = Stage::with_driver(Arc::new(OpenBaoDriver::mount(Arc::clone(server), &settings)), astra);
    let minutely = json!({ "max_retries": 0, "rotation_period": "60s", "rotation_grace_period": "1m" });
    stage.configure_with(&stage.alpha, minutely);
    stage.make_role(&stage.alpha, "reader", json!({}));
    stage.make_role(&stage.alpha, "short", json!({ "ttl": "10s", "max_ttl": "10s" }));
    static_role::made(&stage, json!({ "rotation_period": "60s", "grace_period": "1m" }));
    let leased = ["reader", "short"].map(|role| stage.mint(&stage.alpha, role).expect(200));
    lose_a_mint(&stage);
    (stage, leased)
}

/// Registers the plugin on the copy, and reloads the mount.
#[track_caller]
fn register_on_the_copy(stage: &Stage, server: &Server, more: &[&str]) {
    let mut arguments = arguments(&options(), Some(stage.astra.url().to_owned()));
    arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
    server.register_renamed("astra", FILE_OF_THE_COPY, &arguments);
    server.client().must("PUT", "sys/plugins/reload/backend", &json!({ "plugin": "astra" }));
    let info = || stage.read("info", Value::Null);
    server.wait_for("the mount to serve", || info().status == 200);
}

/// The drill of operations.md, on a server that is started again with its own storage.
#[test]
fn a_copy_of_a_server_changes_nothing_in_astra_until_it_takes_over() {
    let server = Arc::new(Server::start(ServerKind::Raft));
    let (stage, [long, short]) = live_server(&server);
    let config = format!("config/{}", stage.alpha.id);
    server.crash();
    server.rename_plugin(FILE_OF_THE_COPY);
    server.crash_and_restart();
    let (live, seen) = (alive(&stage), stage.astra.requests().len());
    assert_eq!(live.len(), 5, "the admin token, the static role's, two leased ones and the lost one");

    // The registration of the live server finds no file, so nothing runs before the copy has its own registration.
    server.unseal();
    assert!(stage.read("info", Value::Null).status >= 400);
    assert_eq!(server.plugin_pids(), Vec::<u32>::new());
    register_on_the_copy(&stage, &server, &[ARGUMENT]);
    server.wait_for_line("the start says so", |line| line.contains("Astra is read-only (--astra-read-only)"));

    let kept = "rollback kept what is due";
    let all_due = || server.log().lines().any(|line| line.contains(kept) && line.contains(r#""scheduled_tasks":"2""#));
    server.wait_at_most(ROLLBACK_DEADLINE, "a rollback call that finds both rotations due", all_due);
    server.wait_for("the short lease to end", || server.log().contains("was not revoked"));
    assert_each_is_refused(&stage, long.text("clientId"));
    assert_reads_and_settings_work(&stage);
    stage.revoke(&long.lease_id()).expect_error(400, &[ARGUMENT]);
    let check = stage.read(&format!("{config}/check"), Value::Null).expect(200);
    assert!(check.data["pending_wal"]["message"].as_str().unwrap().starts_with("1 open"), "{check:#?}");
    assert_only_read(&stage, seen);
    assert_eq!(alive(&stage), live, "every token of the live server lives");
    assert_eq!(stage.driver.leases().len(), 2, "{:?}", stage.driver.leases());

    // The copy takes over: all pending work is done.
    register_on_the_copy(&stage, &server, &[]);
    let check = || stage.read(&format!("{config}/check"), Value::Null).expect(200);
    let rotated = || check().data["rotation"]["message"].as_str().unwrap().contains("was last rotated at");
    let undone = || check().data["pending_wal"]["message"] == "No write-ahead entry is open.";
    server.wait_at_most(ROLLBACK_DEADLINE, "what waited to be done", || rotated() && undone());
    for leased in [long, short] {
        // The server may have revoked the lease already.
        let _ = stage.revoke(&leased.lease_id());
    }
    assert!(stage.driver.leases().is_empty(), "{:?}", stage.driver.leases());
    let known = || {
        let mut known = stage.records(&stage.alpha);
        known.insert(stage.admin_client_id(&stage.alpha));
        known
    };
    // A rotation may be in progress.
    server.wait_for("nothing to live that nobody knows", || alive(&stage) == known());
    assert!(stage.works(static_role::creds(&stage, "app").expect(200).text("token")));
    stage.finish();
}

/// The option of one mount in a process, beside an unrestricted mount.
#[test]
fn a_mount_option_makes_one_mount_read_only_and_a_misspelt_one_none() {
    let server = Server::shared();
    let astra = start_astra(&StageOptions::default());
    let settings = |mount: &str, options: Value| MountSettings {
        plugin: "astra-one-reads".to_owned(),
        mount_point: format!("{mount}/"),
        arguments: arguments(&StageOptions::default(), Some(astra.url().to_owned())),
        options,
        ..MountSettings::default()
    };
    let all = OpenBaoDriver::mount(Arc::clone(&server), &settings("astra-all", Value::Null));
    let reads = settings("astra-reads", json!({ "upstream": "read-only" }));
    let reads = OpenBaoDriver::mount_registered(Arc::clone(&server), &reads);
    let misspelt = json!({ "type": "astra-one-reads", "options": { "upstream": "readonly" } });
    let refused = server.client().call("POST", "sys/mounts/astra-misspelt", &misspelt);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.to_string().contains("`upstream` is `readonly`"), "{refused:?}");

    let astra = Arc::new(astra);
    let [all, reads] = [all, reads].map(|driver| Stage::with_driver(Arc::new(driver), Arc::clone(&astra)));
    all.ready();
    all.mint(&all.alpha, "reader").expect(200);
    let token = json!({ "astra_token": reads.alpha.token, "url": astra.url() });
    let config = format!("config/{}", reads.alpha.id);
    reads.write(&config, token.clone()).expect_error(503, &["upstream=read-only"]);
    let unchecked = json!({ "verify": false, "astra_token": token["astra_token"], "url": token["url"] });
    assert!(reads.write(&config, unchecked).status < 300);
    reads.make_role(&reads.alpha, "reader", json!({}));
    reads.mint(&reads.alpha, "reader").expect_error(503, &["upstream=read-only"]);
    assert_eq!(reads.live(&reads.alpha).len(), 1, "the other mount's");
    all.finish();
    reads.finish();
}
