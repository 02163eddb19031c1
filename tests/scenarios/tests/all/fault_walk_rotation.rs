//! Every fault of Astra in turn, at each call of a rotation: of an admin token, of a static role, and at the creation
//! and the deletion of a static role. At the end one token works, and the engine has left no other one.

use std::time::Duration;

use astra_simulator::{Action, FaultRule, TokenState};
use harness::{DriverKind, Outcome, Stage, StageOptions, play, play_rows};
use serde_json::{Value, json};

use crate::fault_walk::{call_faults, mint_faults};
use crate::faults::{SECRETS, impatient, patient};
use crate::rotation::client_id_of;
use crate::{rotation, static_role};

/// A fault walk: its set-up, the operation under each fault, and the check afterwards.
#[derive(Clone, Copy)]
struct Walk {
    prepare: fn(&Stage),
    act: fn(&Stage) -> Outcome,
    /// Runs after the faults, and after rollback has done all that was left.
    check: fn(&Stage, &Outcome),
}

/// A rotation's calls to Astra, in order: the list that shows the roles and settles doubt, the mint, the proof, the
/// revocation of the old token.
const LIST: (&str, &str) = ("GET", SECRETS);
const MAKE: (&str, &str) = ("POST", SECRETS);
const PROVE: (&str, &str) = ("GET", "/v2/currentOrg");
const END: (&str, &str) = ("DELETE", "/v2/clientIdSecrets/*");

const ADMIN: Walk = Walk { prepare: with_config, act: rotation::rotate, check: one_admin_token };
const STATIC: Walk = Walk { prepare: with_static_role, act: rotate_static, check: one_static_token };
const CREATE: Walk = Walk { prepare: with_config, act: create_static, check: created_or_not };
const DELETE: Walk = Walk { prepare: with_static_role, act: delete_static, check: deleted_in_the_end };

macro_rules! walks {
    ($($name:ident($walk:expr, [$($native:expr),*], [$($component:expr),*]);)+) => {
        mod native {
            use super::*;
            $(#[test] fn $name() { walk(DriverKind::Native, $walk, &[$($native),*]); })+
        }
        #[cfg(feature = "component")]
        mod component {
            use super::*;
            $(#[test] fn $name() { walk(DriverKind::Component, $walk, &[$($component),*]); })+
        }
    };
}

// A token whose revocation failed is revoked minutes later, so the clock must move.
walks! {
    rotating_an_admin_token(ADMIN, [LIST, MAKE, PROVE, END], [LIST, MAKE, PROVE]);
    rotating_a_static_role(STATIC, [LIST, MAKE, PROVE, END], [MAKE, PROVE]);
    creating_a_static_role(CREATE, [LIST, MAKE, PROVE], [PROVE]);
    deleting_a_static_role(DELETE, [LIST, END], [LIST, END]);
}

/// A call, the name of a fault, the fault, and whether it is permanent.
type Row = ((&'static str, &'static str), &'static str, Action, bool);

/// Each fault at each call, once and permanently.
fn walk(kind: DriverKind, walk: Walk, calls: &[(&'static str, &'static str)]) {
    let mut rows = Vec::new();
    for call in calls {
        let faults = if *call == MAKE { mint_faults() } else { call_faults() };
        for (name, action) in faults {
            rows.extend([false, true].map(|lasting| (*call, name, action.clone(), lasting)));
        }
    }
    let named = |row: &Row| format!("{} at {:?}, lasting {}: {:?}", row.1, row.0, row.3, row.2);
    play_rows(rows, named, |(call, _, action, lasting)| {
        play(kind, StageOptions::default(), |stage| row(stage, walk, call, &action, lasting));
    });
}

fn row(stage: &Stage, walk: Walk, (method, path): (&str, &str), action: &Action, lasting: bool) {
    (walk.prepare)(stage);
    impatient(stage);
    let rule = FaultRule::new(action.clone()).method(method).path(path);
    stage.astra.fault(if lasting { rule } else { rule.first(1) });
    let outcome = (walk.act)(stage);
    assert!([200, 204, 400, 502, 503, 504].contains(&outcome.status), "{outcome:#?}");
    // The server's rollback comes while Astra still fails.
    stage.driver.settle(&|| true);
    stage.astra.clear_faults();
    stage.age_wal();
    patient(stage);
    (walk.check)(stage, &outcome);
}

fn with_config(stage: &Stage) {
    stage.configure_with(&stage.alpha, json!({ "max_retries": 1, "rotation_grace_period": 0 }));
}

fn with_static_role(stage: &Stage) {
    with_config(stage);
    let made = create_static(stage);
    assert!(made.status < 300, "{made:#?}");
}

fn create_static(stage: &Stage) -> Outcome {
    static_role::write(stage, "app", json!({ "rotation_period": "24h", "grace_period": 0 }))
}

fn rotate_static(stage: &Stage) -> Outcome {
    static_role::rotate(stage, "app")
}

fn delete_static(stage: &Stage) -> Outcome {
    stage.delete(&static_role::path(stage, "app"), Value::Null)
}

/// All live tokens in Astra.
fn alive(stage: &Stage) -> Vec<String> {
    let tokens = stage.astra.tokens(&stage.alpha.id).into_iter();
    tokens.filter(|token| token.state == TokenState::Live).map(|token| token.client_id).collect()
}

/// Longer than every pause before another attempt.
const LATER: Duration = Duration::from_secs(3600);

/// At the end these tokens are alive, each known, and nothing is left to undo.
#[track_caller]
fn settles(stage: &Stage, expected: &dyn Fn() -> Vec<String>) {
    stage.settle_after(LATER, &|| {
        let mut expected = expected();
        expected.sort();
        let mut alive = alive(stage);
        alive.sort();
        alive == expected && stage.wal().is_empty()
    });
}

/// There is one admin token, and it works: a new one if the outcome says so.
pub(crate) fn one_admin_token(stage: &Stage, outcome: &Outcome) {
    let old = client_id_of(&stage.alpha.token);
    settles(stage, &|| vec![stage.admin_client_id(&stage.alpha)]);
    let admin = stage.admin_client_id(&stage.alpha);
    if outcome.status < 300 {
        assert_ne!(admin, old, "{outcome:#?}");
    }
    stage.assert_held(&stage.alpha, 0, usize::from(admin != old));
    // A further rotation works.
    let again = rotation::rotate(stage);
    assert!(again.status < 300, "{again:#?}");
    settles(stage, &|| vec![stage.admin_client_id(&stage.alpha)]);
    stage.assert_held(&stage.alpha, 0, 1);
}

/// There is one current token, and it works.
pub(crate) fn one_static_token(stage: &Stage, _: &Outcome) {
    let current = || static_role::creds(stage, "app").expect(200);
    settles(stage, &|| vec![stage.admin_client_id(&stage.alpha), current().text("clientId").to_owned()]);
    assert!(stage.works(current().text("token")));
    stage.assert_held(&stage.alpha, 0, 1);
    let again = rotate_static(stage);
    assert!(again.status < 300, "{again:#?}");
    settles(stage, &|| vec![stage.admin_client_id(&stage.alpha), current().text("clientId").to_owned()]);
    stage.assert_held(&stage.alpha, 0, 1);
}

/// Either the role with its token exists, or neither does.
pub(crate) fn created_or_not(stage: &Stage, outcome: &Outcome) {
    let role = stage.read(&static_role::path(stage, "app"), Value::Null);
    assert!([200, 404].contains(&role.status), "{role:#?}");
    assert!(role.status == 200 || outcome.status >= 300, "{outcome:#?}");
    if role.status == 200 {
        return one_static_token(stage, outcome);
    }
    settles(stage, &|| vec![stage.admin_client_id(&stage.alpha)]);
    stage.assert_held(&stage.alpha, 0, 0);
    let again = create_static(stage);
    assert!(again.status < 300, "{again:#?}");
    one_static_token(stage, &again);
}

/// A further attempt does what failed; until then the role and its token stay.
pub(crate) fn deleted_in_the_end(stage: &Stage, outcome: &Outcome) {
    if outcome.status >= 300 {
        let again = delete_static(stage);
        assert!(again.status < 300, "{again:#?}");
    }
    static_role::creds(stage, "app").expect(404);
    settles(stage, &|| vec![stage.admin_client_id(&stage.alpha)]);
    stage.assert_held(&stage.alpha, 0, 0);
}
