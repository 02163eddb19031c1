//! A cluster of three servers: every node accepts every request, each change happens once on the active node, and a
//! node that crashes loses no lease and leaves no token behind.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use astra_simulator::{Action, FaultRule, RequestRecord};
use harness::limits::FAILOVER_DEADLINE;
use harness::openbao::{Ability, Client, Cluster, MountSettings, OpenBaoDriver, Product, Server};
use harness::{Stage, StageOptions, arguments, start_astra};
use serde_json::{Value, json};

use crate::faults::SECRETS;

/// The mount on a cluster: registered and enabled once, used through any node.
struct Mounted {
    cluster: Cluster,
    driver: OpenBaoDriver,
    /// The mount through the first active node.
    stage: Stage,
}

impl Mounted {
    fn new(options: &StageOptions) -> Self {
        let cluster = Cluster::start();
        let astra = start_astra(options);
        let settings = MountSettings {
            plugin: "astra".to_owned(),
            mount_point: "astra/".to_owned(),
            arguments: arguments(options, Some(astra.url().to_owned())),
            ..MountSettings::default()
        };
        let leader = cluster.leader();
        let driver = OpenBaoDriver::mount(Arc::clone(&leader), &settings);
        let stage = Stage::with_driver(Arc::new(driver.through(leader)), astra);
        let mounted = Self { cluster, driver, stage };
        for standby in mounted.cluster.standbys() {
            let through = mounted.through(&standby);
            standby.wait_for("the mount on a standby", || through.read("info", Value::Null).status == 200);
        }
        mounted
    }

    /// The same stage through another node.
    fn through(&self, node: &Arc<Server>) -> Stage {
        Stage::with_driver(Arc::new(self.driver.through(Arc::clone(node))), Arc::clone(&self.stage.astra))
    }

    fn number_of(&self, node: &Arc<Server>) -> usize {
        self.cluster.nodes().iter().position(|other| Arc::ptr_eq(other, node)).unwrap()
    }

    /// The final checks, through each node.
    fn finish(&self) {
        self.cluster.nodes().iter().for_each(|node| self.through(node).finish());
    }
}

/// Requests to Astra during an action: method and path.
fn asked_of_astra<T>(stage: &Stage, action: impl FnOnce() -> T) -> (T, Vec<String>) {
    let before = stage.astra.requests().len();
    let answer = action();
    let line = |request: &RequestRecord| format!("{} {}", request.method, request.path);
    (answer, stage.astra.requests()[before..].iter().map(line).collect())
}

const NOTHING: [&str; 0] = [];

#[test]
fn every_node_takes_every_request_and_each_happens_once() {
    let mounted = Mounted::new(&StageOptions::default());
    mounted.stage.ready();
    mounted.stage.configure(&mounted.stage.beta);
    assert_eq!(mounted.cluster.standbys().len(), 2);
    for node in mounted.cluster.nodes() {
        a_lease_lives_and_ends_through(&mounted, node);
        a_stored_token_is_read_through(&mounted, node);
        every_node_sees_a_write(&mounted, node);
        a_tidy_is_done_once_through(&mounted, node);
        each_rotation_is_done_once_through(&mounted, node);
        a_deep_check_is_done_once_through(&mounted, node);
    }
    mounted.stage.assert_consistent(&mounted.stage.alpha, 0);
    for standby in mounted.cluster.standbys() {
        let did = |outcome: &str, path: &str| {
            let said = [format!(r#""outcome":"{outcome}""#), format!(r#""path":"{path}"#)];
            move |line: &str| said.iter().all(|text| line.contains(text))
        };
        if Product::of_binary().has(Ability::StandbysServe) {
            standby.wait_for_line("a standby serves what it can", did("answered", "tokens/"));
            a_node_says_what_it_is(&mounted.through(&standby), "standby");
            standby.wait_for_line("and meets a storage that it cannot write to", did("refused", "creds/"));
        } else {
            assert_eq!(standby.plugin_pids(), [0; 0], "a standby forwards all, and loads no plugin");
        }
        assert!(!standby.log().contains("a token was made"), "so it makes nothing");
    }
    a_node_says_what_it_is(&mounted.stage, "active");
    mounted.finish();
}

/// The metrics are those of this node.
fn a_node_says_what_it_is(at: &Stage, state: &str) {
    let families = at.read("metrics", Value::Null).expect(200).data["families"].clone();
    let family = |name: &str| families.as_array().unwrap().iter().find(|family| family["name"] == name).unwrap();
    assert_eq!(family("secrets_engine_node_info")["samples"][0]["labels"]["state"], state);
    assert!(!family("astra_tokens")["samples"].as_array().unwrap().is_empty(), "what lies in storage, all know");
}

/// Mints, reads, renews and revokes a token.
fn a_lease_lives_and_ends_through(mounted: &Mounted, node: &Arc<Server>) {
    let (alpha, at) = (&mounted.stage.alpha, mounted.through(node));
    let (minted, asked) = asked_of_astra(&at, || at.mint(alpha, "reader").expect(200));
    assert_eq!(asked, [format!("POST {SECRETS}")]);
    let client_id = minted.text("clientId").to_owned();
    let path = format!("tokens/{}/{client_id}", alpha.id);
    let ((), asked) = asked_of_astra(&at, || {
        seen_by_all(mounted, "the record", |stage| stage.read(&path, Value::Null).status == 200);
        assert_eq!(at.read(&path, Value::Null).expect(200).text("role"), "reader");
        assert!(at.records(alpha).contains(&client_id));
        assert!(at.renew(&minted.lease_id(), None).expect(200).lease.is_some());
    });
    assert_eq!(asked, NOTHING);
    assert!(at.works(minted.text("token")));
    let (_, asked) = asked_of_astra(&at, || at.revoke(&minted.lease_id()).expect(204));
    assert_eq!(asked, [format!("DELETE {SECRETS}/{client_id}")]);
    assert!(!at.works(minted.text("token")));
    seen_by_all(mounted, "the end of the token", |stage| !stage.read(&path, Value::Null).data["ended"].is_null());
}

/// A stored token can be read through any node, and ended by its record.
fn a_stored_token_is_read_through(mounted: &Mounted, node: &Arc<Server>) {
    let (alpha, at) = (&mounted.stage.alpha, mounted.through(node));
    let named = json!({ "org_id": alpha.id, "role_name": "reader", "logical_name": "app" });
    let (made, asked) = asked_of_astra(&at, || at.write("org/token", named.clone()).expect(200));
    assert_eq!(asked, [format!("POST {SECRETS}")]);
    let ((), asked) = asked_of_astra(&at, || {
        seen_by_all(mounted, "the token", |stage| {
            let read = stage.read("org/token", named.clone());
            read.status == 200 && read.text("token") == made.text("token")
        });
        // A second one is refused at every node.
        at.write("org/token", named.clone()).expect(409);
    });
    assert_eq!(asked, NOTHING);
    let path = format!("tokens/{}/{}", alpha.id, made.text("clientId"));
    let (_, asked) = asked_of_astra(&at, || at.delete(&path, Value::Null).expect(204));
    assert_eq!(asked, [format!("DELETE {SECRETS}/{}", made.text("clientId"))]);
    // The remaining lease finds nothing to revoke.
    at.revoke(&made.lease_id()).expect(204);
    seen_by_all(mounted, "the end of the token", |stage| stage.read("org/token", named.clone()).status != 200);
}

/// Writes a config with a new admin token, and a role: each node uses the new values.
fn every_node_sees_a_write(mounted: &Mounted, node: &Arc<Server>) {
    let (alpha, at) = (&mounted.stage.alpha, mounted.through(node));
    let number = mounted.number_of(node);
    let (config, name, role) = (format!("config/{}", alpha.id), format!("node-{number}"), format!("role-{number}"));
    let administrator = at.astra_role(alpha, "Organization Administrator");
    let admin = at.astra.add_token(&alpha.id, &[&administrator], "", None);
    at.write(&config, json!({ "logical_name": name, "astra_token": admin.token })).expect(204);
    seen_by_all(mounted, "the config", |stage| stage.read(&config, Value::Null).text("logical_name") == name);
    at.make_role(alpha, &role, json!({ "ttl": "5m" }));
    seen_by_all(mounted, "the role", |stage| {
        stage.list(&format!("roles/{}", alpha.id)).try_keys().is_some_and(|keys| keys.contains(&role))
    });
    for other in mounted.cluster.nodes().iter().map(|node| mounted.through(node)) {
        let minted = other.mint(alpha, &role).expect(200);
        assert_eq!(minted.lease.as_ref().map(|lease| lease.duration), Some(300));
        assert_eq!(other.astra.requests().last().unwrap().client_id, Some(admin.client_id.clone()));
        other.revoke(&minted.lease_id()).expect(204);
    }
}

/// Rotates the admin token of the other organization, and a static role in it.
fn each_rotation_is_done_once_through(mounted: &Mounted, node: &Arc<Server>) {
    let (beta, at) = (&mounted.stage.beta, mounted.through(node));
    let make = format!("POST {SECRETS}");
    let made_once = |asked: &[String]| asked.iter().filter(|line| **line == make).count() == 1;

    let old = at.admin_client_id(beta);
    let rotate = || at.write(&format!("config/{}/rotate-root", beta.id), json!({}));
    let (rotated, asked) = asked_of_astra(&at, rotate);
    assert!(rotated.status < 300 && made_once(&asked), "{rotated:#?} {asked:?}");
    seen_by_all(mounted, "the new admin token", |stage| stage.admin_client_id(beta) != old);

    let role = json!({ "role_ids": [at.astra_role(beta, "R/W User")], "rotation_period": "24h" });
    let number = mounted.number_of(node);
    let write = || at.write(&format!("static-roles/{}/app-{number}", beta.id), role);
    let (written, asked) = asked_of_astra(&at, write);
    assert!(written.status < 300 && made_once(&asked), "{written:#?} {asked:?}");
    let creds = format!("static-creds/{}/app-{number}", beta.id);
    seen_by_all(mounted, "the first token", |stage| stage.read(&creds, Value::Null).status == 200);
    let current = at.read(&creds, Value::Null).expect(200).text("token").to_owned();
    let rotate = || at.write(&format!("rotate-role/{}/app-{number}", beta.id), json!({}));
    let (rotated, asked) = asked_of_astra(&at, rotate);
    assert!(rotated.status < 300 && made_once(&asked), "{rotated:#?} {asked:?}");
    let (_, asked) = asked_of_astra(&at, || {
        seen_by_all(mounted, "the next token", |stage| {
            stage.read(&creds, Value::Null).expect(200).text("token") != current
        });
    });
    assert_eq!(asked, NOTHING);
    assert!(at.works(&current), "in its grace period");
    assert!(at.works(at.read(&creds, Value::Null).expect(200).text("token")));
}

/// The check makes a token and revokes it.
fn a_deep_check_is_done_once_through(mounted: &Mounted, node: &Arc<Server>) {
    let (beta, at) = (&mounted.stage.beta, mounted.through(node));
    let live = at.live(beta);
    let path = format!("config/{}/check", beta.id);
    let (checked, asked) = asked_of_astra(&at, || at.read(&path, json!({ "deep": true })).expect(200));
    assert_eq!(checked.data["healthy"], true, "{checked:#?}");
    assert_eq!(asked.iter().filter(|line| line.starts_with("POST")).count(), 1, "{asked:?}");
    assert_eq!(at.live(beta), live);
}

/// A standby causes as many requests to Astra as the active node.
fn a_tidy_is_done_once_through(mounted: &Mounted, node: &Arc<Server>) {
    // This first tidy stores Astra's roles, which happens once a day.
    mounted.stage.write("tidy", json!({ "dry_run": false })).expect(200);
    for dry_run in [true, false] {
        let asked_by = |stage: &Stage| {
            let tidy = || stage.write("tidy", json!({ "dry_run": dry_run })).expect(200);
            asked_of_astra(stage, tidy).1
        };
        let once = asked_by(&mounted.stage);
        assert!(once.contains(&format!("GET {SECRETS}")), "{once:?}");
        assert_eq!(asked_by(&mounted.through(node)), once, "dry run {dry_run}");
    }
}

/// A standby lags behind the active node for moments.
#[track_caller]
fn seen_by_all(mounted: &Mounted, what: &str, holds: impl Fn(&Stage) -> bool) {
    for node in mounted.cluster.nodes() {
        let stage = mounted.through(node);
        node.wait_for(what, || holds(&stage));
    }
}

/// Each node answers with all records or with an error while the leader changes: a client that took an error for an
/// empty list would forget live tokens.
#[test]
fn a_change_of_leader_never_shows_an_empty_list() {
    const TOKENS: usize = 5;
    let mounted = Mounted::new(&StageOptions::default());
    let stage = &mounted.stage;
    stage.ready();
    (0..TOKENS).for_each(|_| assert_eq!(stage.mint(&stage.alpha, "reader").status, 200));
    let known = stage.records(&stage.alpha);
    assert_eq!(known.len(), TOKENS);
    seen_by_all(&mounted, "all records", |stage| stage.records(&stage.alpha) == known);
    let path = format!("astra/tokens/{}", stage.alpha.id);
    for _ in 0..CHANGES_OF_LEADER {
        let leader = mounted.cluster.leader();
        leader.client().must("PUT", "sys/step-down", &Value::Null);
        // Until each node has answered completely since then.
        for node in mounted.cluster.nodes() {
            node.wait_at_most(FAILOVER_DEADLINE, "all records after a change of leader", || {
                let answers = mounted
                    .cluster
                    .nodes()
                    .iter()
                    .map(|node| node.client().try_call("LIST", &path, &Value::Null, &[], ATTEMPT_DEADLINE));
                // An error is recognisable, and the client asks again.
                let lists = answers.flatten().filter_map(|reply| reply.outcome().try_keys());
                lists.for_each(|keys| assert_eq!(keys.into_iter().collect::<BTreeSet<_>>(), known));
                let reply = node.client().try_call("LIST", &path, &Value::Null, &[], ATTEMPT_DEADLINE);
                reply.is_ok_and(|reply| reply.status == 200)
            });
        }
    }
    mounted.finish();
}

const CHANGES_OF_LEADER: usize = 3;

const MINTS: usize = 200;
const CLIENTS: usize = 4;

/// A token that a client got.
struct Held {
    lease_id: String,
    client_id: String,
}

/// The active node is killed during 200 mints. The clients continue on another node, as real ones do; no lease is lost,
/// and no token is left over.
#[test]
fn a_leader_that_dies_loses_no_lease_and_leaves_no_token() {
    let mounted = Mounted::new(&StageOptions { wal_min_age: Duration::from_secs(2), ..StageOptions::default() });
    let stage = &mounted.stage;
    stage.ready();
    // Each mint takes a while, so that some are always in progress.
    stage.astra.fault(FaultRule::new(Action::Delay { from_ms: 10, to_ms: 60 }).method("POST").path(SECRETS));

    let leader = mounted.cluster.leader();
    let (made, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let held: Vec<Held> = std::thread::scope(|scope| {
        let client = |number| mint_through(&mounted, number, &made, &failed);
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        leader.wait_at_most(FAILOVER_DEADLINE, "half of the mints", || made.load(Ordering::SeqCst) >= MINTS / 2);
        leader.crash();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(held.len(), MINTS);
    let failed = failed.load(Ordering::SeqCst);
    assert!(failed > 0, "nobody met the dead node");

    let successor = mounted.cluster.leader();
    assert!(!Arc::ptr_eq(&leader, &successor));
    let active = mounted.through(&successor);
    let survivors = mounted.cluster.nodes().iter().filter(|node| !Arc::ptr_eq(node, &leader));
    let survivors: Vec<_> = survivors.map(|node| mounted.through(node)).collect();
    no_lease_was_lost(&active, &survivors, &held);
    nothing_is_left(&active, &successor.client(), &held, failed);
    mounted.finish();
}

/// One client's share of the mints, sent to one node after another until each mint has succeeded.
fn mint_through(mounted: &Mounted, number: usize, made: &AtomicUsize, failed: &AtomicUsize) -> Vec<Held> {
    let nodes: Vec<Client> = mounted.cluster.nodes().iter().map(|node| node.client()).collect();
    let path = format!("astra/creds/{}/reader", mounted.stage.alpha.id);
    let mut node = number;
    let mut held = Vec::new();
    let mut deadline = Instant::now() + FAILOVER_DEADLINE;
    while held.len() < MINTS / CLIENTS {
        assert!(Instant::now() < deadline, "client {number} has {} tokens", held.len());
        let answer = nodes[node % nodes.len()].try_call("GET", &path, &Value::Null, &[], ATTEMPT_DEADLINE);
        match answer.map(|reply| reply.outcome()) {
            Ok(outcome) if outcome.status == 200 => {
                made.fetch_add(1, Ordering::SeqCst);
                deadline = Instant::now() + FAILOVER_DEADLINE;
                held.push(Held { lease_id: outcome.lease_id(), client_id: outcome.text("clientId").to_owned() });
            }
            // The node cannot be reached, or knows no leader.
            _ => {
                failed.fetch_add(1, Ordering::SeqCst);
                node += 1;
                std::thread::sleep(PAUSE_BETWEEN_ATTEMPTS);
            }
        }
    }
    held
}

/// Time until a client gives up on a node and asks another one.
const ATTEMPT_DEADLINE: Duration = Duration::from_secs(20);
/// As real clients do, so that they do not flood a cluster without a leader.
const PAUSE_BETWEEN_ATTEMPTS: Duration = Duration::from_millis(200);

/// Every token of a client is alive, has a record, and can be renewed through either remaining node.
fn no_lease_was_lost(active: &Stage, survivors: &[Stage], held: &[Held]) {
    let alpha = &active.alpha;
    let leases: BTreeSet<_> = active.driver.leases().into_iter().collect();
    let (live, records) = (active.live(alpha), active.records(alpha));
    for (number, token) in held.iter().enumerate() {
        assert!(leases.contains(&token.lease_id), "lease {number} is lost");
        assert!(live.contains(&token.client_id), "token {number} is lost");
        assert!(records.contains(&token.client_id), "record {number} is lost");
        let renewed = survivors[number % survivors.len()].renew(&token.lease_id, None).expect(200);
        assert_eq!(renewed.lease_id(), token.lease_id);
    }
    // One token through each node is revoked by itself, the others by their prefix.
    for (stage, token) in survivors.iter().zip(held) {
        stage.revoke(&token.lease_id).expect(204);
        assert!(!active.live(alpha).contains(&token.client_id));
    }
}

/// Rollback undoes what the dead node began, unless it has a record; every recorded token can be revoked.
fn nothing_is_left(stage: &Stage, client: &Client, held: &[Held], failed: usize) {
    let alpha = &stage.alpha;
    let mount = client.must("GET", "sys/mounts/astra", &Value::Null);
    let wal = format!("sys/raw/logical/{}/wal", mount["data"]["uuid"].as_str().unwrap());
    stage.driver.settle(&|| client.call("LIST", &wal, &Value::Null).outcome().keys().is_empty());
    assert_eq!(client.call("LIST", &wal, &Value::Null).outcome().keys(), NOTHING, "nothing is left to undo");
    assert_eq!(stage.live(alpha), stage.records(alpha), "each token is on record, and each record's token lives");

    stage.driver.revoke_prefix("creds").expect(204);
    assert!(stage.driver.leases().is_empty());
    let left = stage.live(alpha);
    assert_eq!(left, stage.records(alpha), "a token whose lease was never stored is on record");
    assert!(held.iter().all(|token| !left.contains(&token.client_id)));
    assert!(left.len() <= failed, "{} tokens of {failed} attempts that failed", left.len());
    for client_id in &left {
        stage.delete(&format!("tokens/{}/{client_id}", alpha.id), Value::Null).expect(204);
    }
    assert!(stage.live(alpha).is_empty(), "nothing with our mark is left in Astra");
    assert!(stage.records(alpha).is_empty());
}
