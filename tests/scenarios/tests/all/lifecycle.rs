//! Behaviour that only a real server has: registration, processes, seal, leases that expire, policies, wrapping, and
//! the other HTTP methods.

use std::collections::BTreeMap;
use std::sync::Arc;

use astra_simulator::OutsideChange;
use harness::openbao::{Client, MountSettings, OpenBaoDriver, Server, ServerKind};
use harness::{Driver as _, DriverKind, Stage, StageOptions, arguments, play, start_astra};
use serde_json::{Value, json};

use crate::openapi;
use crate::static_role::{made, write};

fn settings(name: &str, mount: &str, options: &StageOptions, url: &str) -> MountSettings {
    MountSettings {
        plugin: name.to_owned(),
        mount_point: format!("{mount}/"),
        arguments: arguments(options, Some(url.to_owned())),
        ..MountSettings::default()
    }
}

/// A stage on a server of its own.
pub(crate) fn on(server: &Arc<Server>, name: &str) -> Stage {
    let options = StageOptions::default();
    let astra = start_astra(&options);
    let mount = OpenBaoDriver::mount(Arc::clone(server), &settings(name, name, &options, astra.url()));
    Stage::with_driver(Arc::new(mount), astra)
}

fn client_of(stage: &Stage) -> Client {
    // The stage is on the shared server, whose client has the root token.
    let _ = stage;
    Server::shared().client()
}

/// The mount's path without trailing slash, from a lease ID.
pub(crate) fn mount_of(stage: &Stage) -> String {
    let lease = stage.mint(&stage.alpha, "reader").expect(200).lease_id();
    lease.split('/').next().unwrap().to_owned()
}

#[test]
fn a_wrong_sum_is_refused_and_a_right_one_reports_its_version() {
    let server = Server::shared();
    server.register("astra-version", &arguments(&StageOptions::default(), None));
    let body = server.client().must("GET", "sys/plugins/catalog", &Value::Null);
    let detailed = body["data"]["detailed"].as_array().unwrap();
    let entry = detailed.iter().find(|entry| entry["name"] == "astra-version").unwrap();
    assert!(entry["version"].as_str().is_some_and(|version| version.starts_with('v')), "{entry}");
    assert_eq!(entry["sha256"], server.plugin_sha256());
    let wrong = json!({ "sha256": "0".repeat(64), "command": "vault-plugin-secrets-datastax-astra" });
    let registered = server.client().call("PUT", "sys/plugins/catalog/secret/astra-wrong", &wrong);
    let enabled = server.client().call("POST", "sys/mounts/astra-wrong", &json!({ "type": "astra-wrong" }));
    assert!(registered.status >= 400 || enabled.status >= 400, "{registered:?} {enabled:?}");
}

#[test]
fn bad_arguments_fail_the_mount_with_their_name() {
    let server = Server::shared();
    server.register("astra-bad-arguments", &["--allow-egress=ftp://host".to_owned()]);
    let body = json!({ "type": "astra-bad-arguments" });
    let enabled = server.client().call("POST", "sys/mounts/astra-bad-arguments", &body);
    assert!(enabled.status >= 400, "{enabled:?}");
    server.wait_for_line("what is wrong", |line| line.contains("invalid value 'ftp://host'"));
}

#[test]
fn the_go_plugins_arguments_are_taken() {
    let options = StageOptions::default();
    let astra = start_astra(&options);
    let mut settings = settings("astra-go-arguments", "astra-go-arguments", &options, astra.url());
    settings.arguments.extend(["-ca-cert=/nowhere.pem".to_owned(), "-tls-skip-verify".to_owned()]);
    let mount = OpenBaoDriver::mount(Server::shared(), &settings);
    let stage = Stage::with_driver(Arc::new(mount), astra);
    stage.ready();
    stage.mint(&stage.alpha, "reader").expect(200);
    let parts = ["-ca-cert -tls-skip-verify", "have no effect", "--ca-file"];
    Server::shared().wait_for_line(parts[0], |line| parts.iter().all(|part| line.contains(part)));
}

/// Two mounts of one registration share a process and no data.
#[test]
fn mounts_share_a_process_and_nothing_else() {
    let server = Arc::new(Server::start(ServerKind::Dev));
    let first = on(&server, "astra");
    let options = StageOptions::default();
    let other = settings("astra", "other", &options, first.astra.url());
    let second_astra = start_astra(&StageOptions { seed: 2, ..StageOptions::default() });
    let second =
        Stage::with_driver(Arc::new(OpenBaoDriver::mount_registered(Arc::clone(&server), &other)), second_astra);
    assert_eq!(server.plugin_pids().len(), 1, "one process for both");
    first.ready();
    second.list("configs").expect(404);
    second.list("roles").expect(404);
    first.mint(&first.alpha, "reader").expect(200);
    first.assert_consistent(&first.alpha, 1);
    assert!(second.driver.leases().is_empty());
    // The same organization in both: each sees and revokes its own tokens only.
    let body = json!({ "astra_token": first.alpha.token, "url": first.astra.url() });
    assert!(second.write(&format!("config/{}", first.alpha.id), body).status < 300);
    let role = json!({ "role_id": first.astra_role(&first.alpha, "R/W User") });
    assert!(second.write(&format!("roles/{}/reader", first.alpha.id), role).status < 300);
    second.read(&format!("creds/{}/reader", first.alpha.id), Value::Null).expect(200);
    assert_eq!(first.live(&first.alpha).len(), 2);
    assert_eq!((first.records(&first.alpha).len(), second.records(&first.alpha).len()), (1, 1));
    second.driver.disable().expect(204);
    first.assert_consistent(&first.alpha, 1);
    assert_eq!(server.plugin_pids().len(), 1);
    first.driver.disable().expect(204);
    assert!(first.live(&first.alpha).is_empty());
    server.wait_for("the plugin to be gone", || server.plugin_pids().is_empty());
}

#[test]
fn reload_kill_and_seal_lose_nothing() {
    let server = Arc::new(Server::start(ServerKind::Raft));
    let stage = on(&server, "astra");
    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let first = server.plugin_pids();
    assert_eq!(first.len(), 1);

    server.client().must("PUT", "sys/plugins/reload/backend", &json!({ "plugin": "astra" }));
    stage.renew(&minted.lease_id(), None).expect(200);
    assert_ne!(server.plugin_pids(), first, "a reload starts a new process");

    for pid in server.plugin_pids() {
        server.kill_plugin(pid);
    }
    // A request may still meet the dead connection; the server then restarts the plugin.
    let config = format!("config/{}", stage.alpha.id);
    server.wait_for("the plugin to be back", || stage.read(&config, Value::Null).status == 200);
    stage.assert_consistent(&stage.alpha, 1);

    server.seal();
    server.wait_for("the plugin to be gone", || server.plugin_pids().is_empty());
    server.unseal();
    stage.assert_consistent(&stage.alpha, 1);
    let again = stage.mint(&stage.alpha, "reader").expect(200);
    stage.revoke(&again.lease_id()).expect(204);

    // A server that crashes takes the plugin with it; the stored data remain.
    let orphans = server.plugin_pids();
    assert!(!orphans.is_empty());
    server.crash();
    server.wait_for("the plugin to notice", || orphans.iter().all(|pid| !server.is_alive(*pid)));
    server.crash_and_restart();
    server.unseal();
    stage.assert_consistent(&stage.alpha, 1);
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
}

#[test]
fn a_lease_that_ends_by_itself_ends_the_token() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.configure(&stage.alpha);
        stage.make_role(&stage.alpha, "reader", json!({ "ttl": "2s", "max_ttl": "2s" }));
        let minted = stage.mint(&stage.alpha, "reader").expect(200);
        assert!(stage.works(minted.text("token")));
        Server::shared().wait_for("the lease to end", || stage.live(&stage.alpha).is_empty());
        Server::shared().wait_for("the lease to be gone", || stage.driver.leases().is_empty());
        stage.assert_consistent(&stage.alpha, 0);
    });
}

/// An application that may use one role of one organization only.
#[test]
fn a_policy_allows_one_role_only() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        stage.make_role(&stage.alpha, "admin", json!({}));
        stage.configure(&stage.beta);
        stage.make_role(&stage.beta, "reader", json!({}));
        let (mount, root) = (mount_of(stage), client_of(stage));
        let policy = format!("path \"{mount}/creds/{}/reader\" {{ capabilities = [\"read\"] }}", stage.alpha.id);
        root.must("PUT", &format!("sys/policies/acl/{mount}-app"), &json!({ "policy": policy }));
        let made = root.must("POST", "auth/token/create", &json!({ "policies": [format!("{mount}-app")] }));
        let app = root.with_token(made["auth"]["client_token"].as_str().unwrap());
        let (alpha, beta) = (&stage.alpha.id, &stage.beta.id);
        assert_eq!(app.call("GET", &format!("{mount}/creds/{alpha}/reader"), &Value::Null).status, 200);
        for path in [
            format!("creds/{alpha}/admin"),
            format!("creds/{beta}/reader"),
            format!("creds/{alpha}/READER"),
            format!("creds/{alpha}/ADMIN"),
            format!("config/{alpha}"),
            format!("roles/{alpha}/reader"),
            "org/token".to_owned(),
        ] {
            assert_eq!(app.call("GET", &format!("{mount}/{path}"), &Value::Null).status, 403, "{path}");
        }
        assert_eq!(app.call("POST", &format!("{mount}/creds/{alpha}/reader"), &json!({})).status, 403);
        assert_eq!(stage.live(&stage.alpha).len(), 2);
        assert!(stage.live(&stage.beta).is_empty());
    });
}

/// An application that may read one static role's token only.
#[test]
fn a_policy_allows_one_static_role_only() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        made(stage, json!({}));
        assert!(write(stage, "other", json!({ "rotation_period": "24h" })).status < 300);
        let (mount, root, alpha) = (mount_of(stage), client_of(stage), &stage.alpha.id);
        let policy = format!("path \"{mount}/static-creds/{alpha}/app\" {{ capabilities = [\"read\"] }}");
        root.must("PUT", &format!("sys/policies/acl/{mount}-app"), &json!({ "policy": policy }));
        let made = root.must("POST", "auth/token/create", &json!({ "policies": [format!("{mount}-app")] }));
        let app = root.with_token(made["auth"]["client_token"].as_str().unwrap());
        let read = app.call("GET", &format!("{mount}/static-creds/{alpha}/app"), &Value::Null).outcome();
        assert!(stage.works(read.expect(200).text("token")));
        for path in ["static-creds/{}/other", "static-creds/{}/APP", "static-roles/{}/app", "config/{}"] {
            let path = format!("{mount}/{}", path.replace("{}", alpha));
            assert_eq!(app.call("GET", &path, &Value::Null).status, 403, "{path}");
        }
        let rotate = format!("{mount}/rotate-role/{alpha}/app");
        assert_eq!(app.call("POST", &rotate, &json!({})).status, 403);
        stage.assert_held(&stage.alpha, 1, 2);
    });
}

#[test]
fn a_wrapped_answer_is_opened_once() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        let (mount, root) = (mount_of(stage), client_of(stage));
        let path = format!("{mount}/creds/{}/reader", stage.alpha.id);
        let wrapped = root.call_with("GET", &path, &Value::Null, &[("x-vault-wrap-ttl", "60s")]);
        assert_eq!(wrapped.status, 200, "{wrapped:?}");
        stage.assert_no_secret("a wrapped answer", &wrapped.body.to_string());
        let opener = root.with_token(wrapped.body["wrap_info"]["token"].as_str().unwrap());
        let opened = opener.call("PUT", "sys/wrapping/unwrap", &Value::Null);
        assert!(stage.works(opened.outcome().text("token")), "it opens to a token that works");
        assert!(opener.call("PUT", "sys/wrapping/unwrap", &Value::Null).status >= 400, "and only once");
    });
}

#[test]
fn other_verbs_get_the_servers_usual_answers() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        let (mount, root) = (mount_of(stage), client_of(stage));
        let live = stage.live(&stage.alpha).len();
        let creds = format!("{mount}/creds/{}/reader", stage.alpha.id);
        for method in ["HEAD", "SCAN", "DELETE"] {
            let status = root.call(method, &creds, &Value::Null).status;
            assert!((400..500).contains(&status), "{method}: {status}");
        }
        let merge = [("content-type", "application/merge-patch+json")];
        assert_eq!(root.call_with("PATCH", &creds, &json!({}), &merge).status, 405);
        assert_eq!(stage.live(&stage.alpha).len(), live, "none of them makes a token");
        assert_eq!(root.call("GET", &format!("{mount}/"), &Value::Null).status, 404);
        // A client without rights changes nothing and learns nothing.
        let stranger = root.with_token("nobody");
        assert_eq!(stranger.call("GET", &creds, &Value::Null).status, 403);
        assert_eq!(stranger.call("POST", &format!("{mount}/config"), &json!({ "org_id": 5 })).status, 403);
        assert_eq!(stage.live(&stage.alpha).len(), live);
    });
}

#[test]
fn the_servers_openapi_document_has_our_paths_with_schemas() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        let mount = mount_of(stage);
        let document = Server::shared().openapi_document();
        let paths = document["paths"].as_object().unwrap();
        let ours = paths.iter().filter_map(|(path, item)| Some((path.strip_prefix(&format!("/{mount}"))?, item)));
        let ours: BTreeMap<&str, &Value> = ours.collect();
        for path in openapi::PATHS {
            // The server shows a list without its slash.
            assert!(ours.contains_key(path.trim_end_matches('/')), "no `{path}` in {:?}", ours.keys());
        }
        // The host's own paths, which exist for every engine.
        for path in ["/module", "/module/reload", "/module/rollback", "/module/use"] {
            assert!(ours.contains_key(path), "no `{path}` in {:?}", ours.keys());
        }
        for (path, item) in ours {
            openapi::assert_described(path, item, &document["components"]["schemas"]);
        }
    });
}

/// Disabling a mount with live leases ends all of them. A lease whose Astra does not answer keeps the mount.
#[test]
fn disabling_waits_for_an_astra_that_is_away() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
        stage.make_role(&stage.alpha, "reader", json!({}));
        stage.mint(&stage.alpha, "reader").expect(200);
        stage.mint(&stage.alpha, "reader").expect(200);
        stage.astra.listener_off();
        stage.astra.drop_connections();
        stage.driver.disable().expect(400);
        stage.astra.listener_on();
        stage.driver.disable().expect(204);
        assert!(stage.live(&stage.alpha).is_empty());
    });
}

/// The steps in the error of a failed disable, which operations.md describes.
#[test]
fn a_mount_that_cannot_be_disabled_goes_by_the_steps_of_its_error() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        let (mount, root) = (mount_of(stage), client_of(stage));
        let client_id = stage.admin_client_id(&stage.alpha);
        assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
        let told = stage.driver.disable().expect(400).messages();
        assert!(!told.contains("config") && !told.contains("astra_token"), "{told}");
        let closed = stage.write(&format!("config/{}", stage.alpha.id), json!({ "astra_token": stage.alpha.token }));
        assert!(closed.status >= 400, "the server has closed the paths: {closed:#?}");
        root.must("PUT", &format!("sys/leases/revoke-force/{mount}"), &Value::Null);
        stage.driver.disable().expect(204);
        let (_, mark) = told.split_once("vault-mark:").unwrap();
        let mark = format!("vault-mark:{}", mark.split('`').next().unwrap_or_default());
        let live: Vec<_> =
            stage.live(&stage.alpha).iter().map(|client_id| stage.astra_token(client_id).description).collect();
        assert!(!live.is_empty() && live.iter().all(|text| text.contains(&mark)), "{mark}: {live:?}");
    });
}

/// Tuning the mount changes the leases of roles without durations of their own.
#[test]
fn tuning_the_mount_changes_its_leases() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        let (mount, root) = (mount_of(stage), client_of(stage));
        let body = json!({ "default_lease_ttl": "120s", "max_lease_ttl": "240s" });
        root.must("POST", &format!("sys/mounts/{mount}/tune"), &body);
        // The plugin asks for the mount's lifetimes every few seconds.
        let duration = || stage.mint(&stage.alpha, "reader").expect(200).lease.as_ref().map(|lease| lease.duration);
        Server::shared().wait_for("the new lifetime", || duration() == Some(120));
        let long = stage.write(&format!("creds/{}/reader", stage.alpha.id), json!({ "ttl": "1h" })).expect(200);
        assert_eq!(long.lease.as_ref().map(|lease| lease.duration), Some(240), "{long:#?}");
        assert!(!long.warnings.is_empty());
    });
}

/// Open write-ahead entries of a mount are undone when it is disabled, without waiting for any age.
#[test]
fn disabling_undoes_what_is_left() {
    use astra_simulator::{Action, Effect, FaultBody, FaultRule};
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.configure_with(&stage.alpha, json!({ "max_retries": 0 }));
        stage.make_role(&stage.alpha, "reader", json!({}));
        let status = |effect| Action::Status { status: 502, body: FaultBody::Empty, retry_after: None, effect };
        stage.astra.fault(FaultRule::new(status(Effect::Done)).method("POST").path("/v2/clientIdSecrets"));
        stage.astra.fault(FaultRule::new(status(Effect::NotDone)).method("GET"));
        let outcome = stage.mint(&stage.alpha, "reader");
        assert!(outcome.status >= 500, "{outcome:#?}");
        assert_eq!(stage.live(&stage.alpha).len(), 1, "made, and its answer lost");
        stage.astra.clear_faults();
        stage.driver.disable().expect(204);
        assert!(stage.live(&stage.alpha).is_empty(), "an entry of the last minutes is undone, too");
    });
}

/// The plugins of a dead server end, also those that never served a request.
#[test]
fn no_plugin_outlives_its_server() {
    let server = Arc::new(Server::start(ServerKind::Dev));
    let stage = on(&server, "astra");
    stage.list("configs").expect(404);
    let pids = server.plugin_pids();
    assert_eq!(pids.len(), 1);
    server.crash();
    server.wait_for("the plugin to notice", || pids.iter().all(|pid| !server.is_alive(*pid)));
}

/// Many mounts in one process, each of which serves.
#[test]
fn many_mounts_in_one_process() {
    const MOUNTS: usize = 12;
    let server = Arc::new(Server::start(ServerKind::Dev));
    let options = StageOptions::default();
    let astra = start_astra(&options);
    server.register("astra", &arguments(&options, Some(astra.url().to_owned())));
    let mounts: Vec<_> = (0..MOUNTS)
        .map(|number| {
            let settings = settings("astra", &format!("mount-{number}"), &options, astra.url());
            OpenBaoDriver::mount_registered(Arc::clone(&server), &settings)
        })
        .collect();
    assert_eq!(server.plugin_pids().len(), 1);
    std::thread::scope(|scope| {
        for mount in &mounts {
            scope.spawn(|| {
                let ask = harness::Ask { verb: harness::Verb::Read, path: "info".to_owned(), data: Value::Null };
                mount.ask(ask).expect(200);
            });
        }
    });
    for mount in &mounts {
        mount.disable().expect(204);
    }
    server.wait_for("the plugin to be gone", || server.plugin_pids().is_empty());
}
