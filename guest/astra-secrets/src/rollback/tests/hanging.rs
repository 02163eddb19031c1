//! One organization's Astra that hangs keeps no other organization waiting.

use std::time::Duration;

use secrets_framework::Operation;
use secrets_framework::host::{HttpError, Loss};
use serde_json::{Value, json};

use super::HOUR;
use crate::limits::{ENDED_PER_ROLLBACK_MAX, QUEUED_TASKS_PER_ROLLBACK_MAX};
use crate::testing::{ADMIN_A, ADMIN_B, Fault, LATER, Leased, Mount, ORG_A, ORG_B, On, ROLE_ID};

#[test]
fn an_organization_whose_astra_hangs_does_not_keep_ended_tokens_of_others_waiting() {
    let mount = Mount::new();
    mount.configure(ORG_B, ADMIN_B, json!({}));
    mount.write_role(ORG_B, "reader", json!({ "role_id": ROLE_ID, "ttl": "2h" }));
    // More than one call looks at, and due before the one of B.
    let hung = QUEUED_TASKS_PER_ROLLBACK_MAX as usize + 5;
    for _ in 0..hung {
        Leased::of(mount.creds());
    }
    mount.host.clock.advance(Duration::from_secs(1));
    Leased::of(mount.send(Operation::Read, &format!("creds/{ORG_B}/reader"), Value::Null));
    mount.host.clock.advance(3 * HOUR);
    mount.finish_index_scan();
    mount.has_looked();
    mount.astra.answer_bearer(ADMIN_A, Err(HttpError::TimedOut));
    for _ in 0..3 {
        assert_eq!(mount.astra.live().len(), hung + 1);
        mount.rollback().unwrap();
    }
    assert_eq!(mount.astra.live().len(), hung, "B's has gone");
    mount.astra.heal();
    mount.host.clock.advance(HOUR);
    while !mount.astra.live().is_empty() {
        let before = mount.astra.live().len();
        mount.rollback().unwrap();
        assert_eq!(mount.astra.live().len(), before.saturating_sub(ENDED_PER_ROLLBACK_MAX), "a call has a limit");
    }
    mount.assert_settled(0);
}

#[test]
fn entries_of_an_organization_whose_astra_hangs_do_not_keep_those_of_others_waiting() {
    let mount = Mount::new();
    mount.configure(ORG_A, ADMIN_A, json!({ "max_retries": 0 }));
    mount.configure(ORG_B, ADMIN_B, json!({ "max_retries": 0 }));
    mount.write_role(ORG_B, "reader", json!({ "role_id": ROLE_ID }));
    let of_a = 100;
    mount.astra.answer_bearer(ADMIN_A, Err(HttpError::TimedOut));
    for _ in 0..of_a {
        mount.creds().0.unwrap_err();
    }
    mount.astra.set_lag(1);
    mount.astra.fail(On::Make, Fault::DoneThenFails(HttpError::Lost(Loss::Closed)));
    mount.send(Operation::Read, &format!("creds/{ORG_B}/reader"), Value::Null).0.unwrap_err();
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (1, of_a + 1));
    mount.host.clock.advance(LATER);
    mount.rollback().unwrap_err();
    assert_eq!((mount.astra.live().len(), mount.open_entries()), (0, of_a), "B's has gone");
}
