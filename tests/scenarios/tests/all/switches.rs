//! Every switch for an answer of Astra that is not documented: tokens and their leases, rotation, tidy and check work
//! with each value.

use std::collections::BTreeMap;
use std::time::Duration;

use astra_simulator::{
    AbsentFields, CallKind, CreateFields, DescriptionLimit, ErrorShape, ExpiryBeyondMaximum, ExpiryPast, OutsideChange,
    PermissionMissing, RoleFields, RolePolicy, Switches, UnknownRole,
};
use harness::{DriverKind, Note, Stage, StageOptions, play};
use serde_json::{Value, json};

use crate::faults::mint;
use crate::{rotation, static_role};

type Change = fn(&mut Switches);

const ALL: &[(&str, Change)] = &[
    ("create 201", |all| all.create_status = 201),
    ("create 202", |all| all.create_status = 202),
    ("old create fields", |all| all.create_fields = CreateFields::Old),
    ("create fields of the spec", |all| all.create_fields = CreateFields::Spec),
    ("expiry beyond maximum refused", |all| all.expiry_beyond_maximum = ExpiryBeyondMaximum::Refused),
    ("expiry beyond maximum clamped", |all| all.expiry_beyond_maximum = ExpiryBeyondMaximum::Clamped),
    ("expiry past accepted", |all| all.expiry_past = ExpiryPast::AcceptedExpired),
    ("delete 200", |all| all.delete_status = 200),
    ("unknown delete 204", |all| all.delete_unknown_status = 204),
    ("unknown delete 400", |all| all.delete_unknown_status = 400),
    ("unknown delete 500", |all| all.delete_unknown_status = 500),
    ("fields left out", |all| all.absent_fields = AbsentFields::LeftOut),
    ("expired dropped", |all| all.expired_listed = false),
    ("list in order", |all| all.list_shuffled = false),
    ("dead token 403", |all| all.dead_token_status = 403),
    ("dead token 404", |all| all.dead_token_status = 404),
    ("permission missing 401", |all| all.permission_missing = PermissionMissing::UnauthorizedNull),
    ("upper-case fields", |all| all.role_fields = RoleFields::Upper),
    ("policy as text", |all| all.role_policy = RolePolicy::Text),
    ("roleless dropped", |all| all.roleless_listed = false),
    ("errors as html", |all| all.error_shapes = shapes(ErrorShape::Html)),
    ("errors as null", |all| all.error_shapes = shapes(ErrorShape::Null)),
    ("errors as text", |all| all.error_shapes = shapes(ErrorShape::Text)),
    ("errors empty", |all| all.error_shapes = shapes(ErrorShape::Empty)),
    ("errors as objects", |all| all.error_shapes = shapes(ErrorShape::Object)),
];

fn shapes(shape: ErrorShape) -> BTreeMap<CallKind, ErrorShape> {
    use CallKind::{CurrentOrg, RoleList, TokenCreate, TokenDelete, TokenList};
    [CurrentOrg, RoleList, TokenCreate, TokenDelete, TokenList].map(|call| (call, shape)).into()
}

fn main_job(kind: DriverKind) {
    for (name, change) in ALL {
        // A list that lacks a token proves that it is gone only if the token is as old as this.
        let mut options = StageOptions { wal_min_age: Duration::from_millis(1), ..StageOptions::default() };
        change(&mut options.switches);
        let _note = Note::new(name);
        play(kind, options, |stage| {
            stage.ready();
            let kept = mint(stage).expect(200);
            let gone = mint(stage).expect(200);
            stage.renew(&kept.lease_id(), None).expect(200);
            let client_id = gone.text("clientId").to_owned();
            assert!(stage.astra.change(&OutsideChange::RevokeToken { client_id }));
            stage.revoke(&gone.lease_id()).expect(204);
            stage.revoke(&kept.lease_id()).expect(204);
            assert!(!stage.works(kept.text("token")), "{name}");
            // A role that Astra does not know leaves no token behind.
            stage.make_role(&stage.alpha, "ghost", json!({ "role_id": "00000000-0000-4000-8000-000000000bad" }));
            let ghost = stage.mint(&stage.alpha, "ghost");
            assert!([400, 502].contains(&ghost.status), "{name}: {ghost:#?}");
            stage.assert_consistent(&stage.alpha, 0);
            assert!(stage.delete(&format!("roles/{}/ghost", stage.alpha.id), Value::Null).status < 300);
            rotate_and_tidy(stage);
        });
    }
}

fn rotate_and_tidy(stage: &Stage) {
    let updated = stage.write(&format!("config/{}", stage.alpha.id), json!({ "rotation_grace_period": 0 }));
    assert!(updated.status < 300, "{updated:#?}");
    let old = stage.admin_client_id(&stage.alpha);
    assert!(rotation::rotate(stage).status < 300);
    assert_ne!(stage.admin_client_id(&stage.alpha), old);
    static_role::made(stage, json!({ "grace_period": 0 }));
    assert!(static_role::rotate(stage, "app").status < 300);
    stage.settle_held(&stage.alpha, 0, 2);
    assert!(!stage.works(&stage.alpha.token));
    assert!(stage.works(static_role::creds(stage, "app").expect(200).text("token")));
    let tidied = stage.write("tidy", json!({ "dry_run": false })).expect(200);
    assert_eq!(tidied.data["removed"], json!([]), "{tidied:#?}");
    let check = stage.read(&format!("config/{}/check", stage.alpha.id), json!({ "deep": true })).expect(200);
    for name in ["token_valid", "organization_matches", "may_list_roles", "may_manage_tokens"] {
        assert_eq!(check.data[name]["ok"], "yes", "{check:#?}");
    }
    assert!(stage.delete(&static_role::path(stage, "app"), Value::Null).status < 300);
    stage.assert_held(&stage.alpha, 0, 1);
}

#[test]
fn native() {
    main_job(DriverKind::Native);
}
#[cfg(feature = "component")]
#[test]
fn component() {
    main_job(DriverKind::Component);
}

/// For rows that must show the effect of a switch.
#[test]
fn every_form_of_an_unknown_role_makes_nothing_that_stays() {
    for unknown_role in [UnknownRole::NotFound, UnknownRole::BadRequest] {
        let mut options = StageOptions::default();
        options.switches.unknown_role = unknown_role;
        options.switches.description = DescriptionLimit::Refused { bytes_max: 300 };
        play(DriverKind::Native, options, |stage| {
            stage.configure(&stage.alpha);
            stage.make_role(&stage.alpha, "ghost", json!({ "role_id": "00000000-0000-4000-8000-000000000bad" }));
            let outcome = stage.mint(&stage.alpha, "ghost");
            assert!([400, 502].contains(&outcome.status), "{outcome:#?}");
            stage.assert_consistent(&stage.alpha, 0);
            assert_eq!(outcome.data, Value::Null);
        });
    }
}
