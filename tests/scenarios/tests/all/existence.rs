//! Writes whose existence check fails. The server would hide the reason behind a 500, so the check says that nothing
//! exists; such a write counts as an update and reports its own reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use astra_simulator::{Action, Effect, FaultRule};
use harness::openbao::{Client, Server, ServerKind};
use harness::{DriverKind, StageOptions, play};
use serde_json::{Value, json};

use crate::lifecycle::{mount_of, on};

/// More than the 500 requests of one mount that run at once; the rest waits before a later request.
const REQUESTS: usize = 600;
/// Duration of one of these requests: longer than it takes to see that the mount is busy, and to be refused twice.
const HELD: Duration = Duration::from_secs(45);

/// Requests that occupy a mount, until the drop.
struct Flood {
    ends: Arc<AtomicBool>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Flood {
    fn start(client: &Client, path: &str) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let one = |_| {
            let (client, path, ends) = (client.clone(), path.to_owned(), Arc::clone(&ends));
            std::thread::spawn(move || {
                while !ends.load(Ordering::Relaxed) {
                    drop(client.try_call("POST", &path, &json!({}), &[], HELD));
                }
            })
        };
        let threads = (0..REQUESTS).map(one).collect();
        Self { ends, threads }
    }

    fn end(self) {
        self.ends.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}

/// A client with this capability, and no other, on the roles below `path`.
fn client_with(root: &Client, path: &str, capability: &str) -> Client {
    let name = format!("existence-{capability}");
    let policy = format!("path \"{path}/*\" {{ capabilities = [\"{capability}\"] }}");
    root.must("PUT", &format!("sys/policies/acl/{name}"), &json!({ "policy": policy }));
    let made = root.must("POST", "auth/token/create", &json!({ "policies": [name] }));
    root.with_token(made["auth"]["client_token"].as_str().unwrap())
}

#[test]
fn a_busy_mount_answers_503_and_lets_nobody_create() {
    let server = Arc::new(Server::start(ServerKind::Dev));
    let stage = on(&server, "astra");
    stage.configure_with(&stage.alpha, json!({ "request_timeout": "30s", "max_retries": 10 }));
    stage.make_role(&stage.alpha, "reader", json!({ "description": "as it was" }));
    let roles = format!("roles/{}", stage.alpha.id);
    let reader = || stage.read(&format!("{roles}/reader"), Value::Null).expect(200).data;
    let before = reader();
    let root = server.client();
    let creator = client_with(&root, &format!("astra/{roles}"), "create");
    let updater = client_with(&root, &format!("astra/{roles}"), "update");
    let body = json!({ "role_id": stage.astra_role(&stage.alpha, "R/W User"), "description": "overwritten" });
    let write = |client: &Client, role: &str| client.call("POST", &format!("astra/{roles}/{role}"), &body).outcome();

    stage.astra.fault(FaultRule::new(Action::Hang { effect: Effect::NotDone }).method("GET"));
    let flood = Flood::start(&root, &format!("astra/config/{}/sync-roles", stage.alpha.id));
    let config = format!("config/{}", stage.alpha.id);
    server.wait_for("the mount to be busy", || stage.read(&config, Value::Null).status == 503);
    std::thread::scope(|scope| {
        let (write, creator, updater) = (&write, &creator, &updater);
        let denied = ["reader", "another"].map(|role| scope.spawn(move || write(creator, role)));
        let busy = ["reader", "another"].map(|role| scope.spawn(move || write(updater, role)));
        for outcome in denied {
            let outcome = outcome.join().unwrap();
            assert_eq!(outcome.status, 403, "{outcome:#?}");
        }
        for outcome in busy {
            outcome.join().unwrap().expect_error(503, &["too many requests in flight"]);
        }
    });
    stage.astra.clear_faults();
    stage.astra.drop_connections();
    flood.end();
    server.wait_for("the mount to answer", || stage.read(&config, Value::Null).status == 200);
    assert_eq!(reader(), before);
    stage.read(&format!("{roles}/another"), Value::Null).expect(404);
}

#[test]
fn a_body_that_cannot_be_parsed_is_a_400_with_our_text() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        let (mount, root, alpha) = (mount_of(stage), Server::shared().client(), &stage.alpha.id);
        let role = format!("roles/{alpha}/reader");
        let config = format!("config/{alpha}");
        let before = [&role, &config].map(|path| stage.read(path, Value::Null).expect(200).data);
        // Nested deeper than our parser allows, although the server's own parser accepts it; and a number that no type
        // holds, which this server refuses itself.
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for (body, said) in [(deep.as_str(), "the data cannot be parsed as JSON"), ("{\"ttl\":1e400}", "JSON")] {
            for path in [
                role.as_str(),
                config.as_str(),
                "config",
                "role",
                &format!("roles/{alpha}/another"),
                &format!("static-roles/{alpha}/another"),
                &format!("creds/{alpha}/reader"),
                "org/token",
                "tidy",
            ] {
                let outcome = root.post_text(&format!("{mount}/{path}"), body).outcome();
                outcome.expect_error(400, &[said]);
            }
            let outcome = root.post_text(&format!("{mount}/module/use"), body).outcome();
            assert_eq!(outcome.status, 400, "{outcome:#?}");
        }
        assert_eq!([&role, &config].map(|path| stage.read(path, Value::Null).expect(200).data), before);
        assert_eq!(stage.list(&format!("roles/{alpha}")).keys(), ["reader"]);
    });
}

#[test]
fn a_field_out_of_range_is_a_400_that_names_it() {
    play(DriverKind::OpenBao, StageOptions::default(), |stage| {
        stage.ready();
        for (path, field) in [("roles/{}/reader", "ttl"), ("roles/{}/another", "ttl"), ("config/{}", "max_retries")] {
            let path = path.replace("{}", &stage.alpha.id);
            for value in [json!("many"), json!(1e30), json!(u64::MAX)] {
                stage.write(&path, json!({ field: value })).expect_error(400, &[field]);
            }
        }
        stage.write("nothing/here", json!({})).expect(404);
        stage.write("module/nothing", json!({})).expect(404);
    });
}
