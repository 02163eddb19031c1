//! The same through a real server, with leases: leases of the Go plugin without a token, and tokens in another
//! organization than recorded.

use std::sync::Arc;

use astra_simulator::{Action, Effect, FaultBody, FaultRule};
use harness::Stage;
use harness::openbao::{Server, ServerKind};
use serde_json::{Value, json};

use crate::compat::OldToken;
use crate::compat_entries::{go_empty_token, go_misplaced_token, go_mount};
use crate::compat_server::{lease_form, plant_lease, put};
use crate::lifecycle::on;

/// A mount of the Go plugin on a server of its own.
struct Taken {
    server: Arc<Server>,
    stage: Stage,
    form: Value,
}

fn taken() -> Taken {
    let server = Arc::new(Server::start(ServerKind::Raft));
    let stage = on(&server, "astra");
    let form = lease_form(&stage, &server);
    go_mount(&stage).iter().for_each(|entry| put(&server, entry));
    // As on a mount that only the Go plugin has served.
    server.delete_entry("astra/", "state/index");
    Taken { server, stage, form }
}

impl Taken {
    fn empty_lease(&self, logical_name: &str) -> String {
        let (entry, internal_data) = go_empty_token(&self.stage.alpha, "reader", logical_name);
        put(&self.server, &entry);
        plant_lease(&self.server, &self.form, &internal_data)
    }

    fn misplaced_lease(&self) -> (String, OldToken) {
        let token = go_misplaced_token(&self.stage, &self.stage.beta, &self.stage.alpha);
        put(&self.server, &token.entry);
        (plant_lease(&self.server, &self.form, &token.internal_data), token)
    }

    /// The server loads the entries that were written below it.
    fn load(&self) {
        self.server.seal();
        self.server.unseal();
    }
}

#[test]
fn leases_that_stand_for_no_token_end_and_stop_nothing() {
    let taken = taken();
    let leases: Vec<String> = ["one", "two", "three"].iter().map(|name| taken.empty_lease(name)).collect();
    taken.load();
    let stage = &taken.stage;
    assert_eq!(stage.driver.leases().len(), 3);

    // The renewal of a lease fails, and the lease ends; the name of its record can be used again.
    stage.renew(&leases[0], None).expect_error(400, &["stands for no token"]);
    stage.revoke(&leases[0]).expect(204);
    let named = json!({ "org_id": stage.alpha.id, "role_name": "reader", "logical_name": "two" });
    stage.read("org/token", named.clone()).expect(404);
    let made = stage.write("org/token", named).expect(200);
    let listed = stage.list("org/tokens").expect(200).keys();
    assert_eq!(listed, [made.text("clientId")]);
    let tidied = stage.write("tidy", json!({ "dry_run": false })).expect(200);
    assert_eq!(tidied.data["failed"], json!({}), "{tidied:#?}");
    let check = stage.read(&format!("config/{}/check", stage.alpha.id), Value::Null).expect(200);
    assert_eq!(check.data["healthy"], true, "{check:#?}");

    // A prefix of leases: some without a token, and one with.
    stage.driver.revoke_prefix("org/token").expect(204);
    assert!(!stage.works(made.text("token")));
    assert!(stage.driver.leases().is_empty());
    assert!(stage.delete(&format!("config/{}", stage.alpha.id), Value::Null).status < 300);
}

#[test]
fn a_mount_with_leases_that_stand_for_no_token_is_disabled() {
    let taken = taken();
    taken.empty_lease("one");
    taken.load();
    assert_eq!(taken.stage.driver.leases().len(), 1);
    taken.stage.driver.disable().expect(204);
}

#[test]
fn a_token_in_another_organization_is_ended_there() {
    let taken = taken();
    let (lease, token) = taken.misplaced_lease();
    taken.load();
    let stage = &taken.stage;
    let record = || stage.read(&format!("tokens/{}/{}", stage.beta.id, token.client_id), Value::Null).expect(200);
    let action = Action::Status { status: 503, body: FaultBody::default(), retry_after: None, effect: Effect::NotDone };
    let rule = FaultRule::new(action).method("GET").path("/v2/clientIdSecrets").organization(&stage.alpha.id);
    stage.astra.fault(rule);
    assert!(stage.revoke(&lease).status >= 400);
    assert!(stage.works(&token.token));
    assert_eq!(stage.driver.leases(), std::slice::from_ref(&lease));
    stage.astra.clear_faults();
    stage.revoke(&lease).expect(204);
    assert!(!stage.works(&token.token));
    assert_eq!(record().text("found_in"), stage.alpha.id);
    assert!(stage.works(&stage.alpha.token) && stage.works(&stage.beta.token), "nothing else was touched");
    assert!(stage.driver.leases().is_empty());
}
