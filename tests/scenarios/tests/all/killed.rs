//! The plugin or the server is killed during a request, under a real server. Whatever Astra had done by then, the
//! server's rollback settles it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use astra_simulator::{Action, FaultRule, TokenState};
use harness::openbao::{MountSettings, OpenBaoDriver, Server, ServerKind};
use harness::{Stage, StageOptions, arguments, start_astra};
use serde_json::{Value, json};

use crate::faults::SECRETS;
use crate::{rotation, static_role};

/// A point at which a request is cut off: the operation, and the call to Astra in which it then waits.
struct Cut {
    name: &'static str,
    act: fn(&Stage) -> u16,
    at: (&'static str, &'static str),
}

const CUTS: [Cut; 5] = [
    Cut { name: "mint", act: |stage| stage.mint(&stage.alpha, "reader").status, at: ("POST", SECRETS) },
    Cut { name: "rotate-make", act: |stage| rotation::rotate(stage).status, at: ("POST", SECRETS) },
    Cut { name: "rotate-prove", act: |stage| rotation::rotate(stage).status, at: ("GET", "/v2/currentOrg") },
    Cut { name: "static-make", act: |stage| static_role::rotate(stage, "app").status, at: ("POST", SECRETS) },
    Cut { name: "static-prove", act: |stage| static_role::rotate(stage, "app").status, at: ("GET", "/v2/currentOrg") },
];

/// All rows on one server, so that all wait for the same rollback call: first the plugins are killed, then, in other
/// requests, the server.
#[test]
fn a_request_that_is_cut_off_leaves_nothing() {
    let server = Arc::new(Server::start(ServerKind::Raft));
    let rows: Vec<_> = CUTS.iter().map(|cut| (cut, ready(&server, cut.name))).collect();

    each_cut_off(&server, &rows, || server.plugin_pids().into_iter().for_each(|pid| server.kill_plugin(pid)));
    for (cut, stage) in &rows {
        // A request may still meet the dead connection; the server then restarts the plugin.
        let config = format!("config/{}", stage.alpha.id);
        server.wait_for("the plugin to be back", || stage.read(&config, Value::Null).status == 200);
        settles(stage, cut.name);
        stage.driver.revoke_prefix("creds").expect(204);
    }

    each_cut_off(&server, &rows, || server.crash());
    server.crash_and_restart();
    server.unseal();
    for (cut, stage) in &rows {
        settles(stage, cut.name);
        assert!(stage.driver.leases().is_empty(), "{}", cut.name);
        // The mount continues to work.
        let minted = stage.mint(&stage.alpha, "reader").expect(200);
        stage.revoke(&minted.lease_id()).expect(204);
        assert!(rotation::rotate(stage).status < 300 && static_role::rotate(stage, "app").status < 300);
    }
}

/// A mount in a process of its own, with a role and a static role.
fn ready(server: &Arc<Server>, name: &str) -> Stage {
    let options = StageOptions { wal_min_age: Duration::from_secs(1), ..StageOptions::default() };
    let astra = start_astra(&options);
    let settings = MountSettings {
        plugin: name.to_owned(),
        mount_point: format!("{name}/"),
        arguments: arguments(&options, Some(astra.url().to_owned())),
        ..MountSettings::default()
    };
    let stage = Stage::with_driver(Arc::new(OpenBaoDriver::mount(Arc::clone(server), &settings)), astra);
    stage.configure_with(&stage.alpha, json!({ "rotation_grace_period": 0 }));
    stage.make_role(&stage.alpha, "reader", json!({}));
    static_role::made(&stage, json!({ "grace_period": 0 }));
    stage
}

/// Lets Astra delay the answer at each row's call, and cuts all requests off while they wait.
fn each_cut_off(server: &Server, rows: &[(&Cut, Stage)], cut_off: impl FnOnce()) {
    const LONGER_THAN_IT_TAKES: u64 = 60_000;
    let slow = Action::Delay { from_ms: LONGER_THAN_IT_TAKES, to_ms: LONGER_THAN_IT_TAKES };
    for (cut, stage) in rows {
        stage.astra.fault(FaultRule::new(slow.clone()).method(cut.at.0).path(cut.at.1).first(1));
    }
    let is_waiting = |stage: &Stage| stage.astra.fault_hits().iter().sum::<u64>() > 0;
    std::thread::scope(|scope| {
        let acts: Vec<_> = rows.iter().map(|(cut, stage)| scope.spawn(|| (cut.act)(stage))).collect();
        let all = || rows.iter().all(|(_, stage)| is_waiting(stage));
        server.wait_for("every request to wait for Astra", all);
        cut_off();
        for act in acts {
            // A dead server gives no answer. A server whose plugin has died fails the request, or sends it once more to
            // a new plugin if it noticed in time.
            let answered = act.join().ok();
            assert!(answered.is_none_or(|status| !(300..500).contains(&status)), "{answered:?}");
        }
    });
    rows.iter().for_each(|(_, stage)| stage.astra.clear_faults());
}

/// At the end there are one admin token, the static role's one token, and a token for each lease. No other token is
/// alive, and each has its record.
#[track_caller]
fn settles(stage: &Stage, name: &str) {
    let alive = || {
        let tokens = stage.astra.tokens(&stage.alpha.id).into_iter();
        tokens.filter(|token| token.state == TokenState::Live).map(|token| token.client_id).collect::<BTreeSet<_>>()
    };
    let expected = || {
        let mut all = stage.records(&stage.alpha);
        all.insert(stage.admin_client_id(&stage.alpha));
        all
    };
    let is_settled = || alive() == expected() && alive().len() == 2 + stage.driver.leases().len();
    stage.driver.settle(&is_settled);
    assert!(is_settled(), "{name}: {:?} live, {:?} are known", alive(), expected());
    let current = static_role::creds(stage, "app").expect(200);
    assert!(stage.works(current.text("token")), "{name}");
}
