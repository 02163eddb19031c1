//! Rotations, overwrites, deletes, mints and time in any order, with faults of
//! storage and of Astra anywhere: a config always has a token that works, and
//! in the end only what is held or leased lives.

use proptest::prelude::*;
use secrets_framework::Lease;
use secrets_framework::host::{HttpError, Loss, StorageError};

use super::*;
use crate::testing::{Fault, On};

#[derive(Clone, Debug)]
enum Step {
    Rotate,
    Configure,
    Delete,
    Mint,
    Revoke,
    Pass(u64),
}

#[derive(Clone, Debug)]
enum Trouble {
    None,
    DiesAtWrite(u64),
    FailsWrite(u64),
    Upstream(On, usize),
}

fn step() -> impl Strategy<Value = (Step, Trouble)> {
    let step = prop_oneof![
        4 => Just(Step::Rotate),
        2 => Just(Step::Configure),
        1 => Just(Step::Delete),
        2 => Just(Step::Mint),
        1 => Just(Step::Revoke),
        3 => (0_u64..40).prop_map(Step::Pass),
    ];
    let on = prop_oneof![Just(On::List), Just(On::Make), Just(On::Delete), Just(On::CurrentOrg)];
    let trouble = prop_oneof![
        3 => Just(Trouble::None),
        2 => (1_u64..20).prop_map(Trouble::DiesAtWrite),
        2 => (1_u64..20).prop_map(Trouble::FailsWrite),
        2 => (on, 0_usize..5).prop_map(|(on, fault)| Trouble::Upstream(on, fault)),
    ];
    (step, trouble)
}

fn fault(number: usize) -> Fault {
    let lost = HttpError::Lost(Loss::Closed);
    match number {
        0 => Fault::Status(500, ""),
        1 => Fault::Status(403, ""),
        2 => Fault::Fails(lost),
        3 => Fault::DoneThenFails(lost),
        _ => Fault::DoneThenStatus(502, ""),
    }
}

/// One mount on its way.
struct Walk {
    mount: Mount,
    leases: Vec<Lease>,
    operators: u32,
}

impl Walk {
    fn new(transactional: bool) -> Self {
        let mount = Mount::new();
        mount.set(json!({ "rotation_period": "24h" }));
        mount.host.storage.set_transactional(transactional);
        Self { mount, leases: Vec::new(), operators: 0 }
    }

    fn take(&mut self, step: &Step, trouble: &Trouble) {
        let storage = &self.mount.host.storage;
        match trouble {
            Trouble::None => {}
            Trouble::DiesAtWrite(nth) => storage.die_at_write(*nth),
            Trouble::FailsWrite(nth) => storage.fail_nth_write(*nth, StorageError::Failed("disk full".to_owned())),
            Trouble::Upstream(on, number) => self.mount.astra.fail_times(*on, 2, fault(*number)),
        }
        self.act(step);
        self.mount.host.storage.clear_faults();
        self.mount.astra.heal();
        if self.is_configured() {
            assert!(self.mount.astra.is_live(&self.mount.current()), "{step:?} {trouble:?}");
        }
    }

    /// What fails, fails: how it ends is what counts.
    fn act(&mut self, step: &Step) {
        let mount = &self.mount;
        let config = format!("config/{ORG_A}");
        match step {
            Step::Rotate => drop(mount.try_rotate()),
            Step::Configure => {
                self.operators += 1;
                let token = format!("AstraCS:Operators{}:canary", self.operators);
                mount.astra.make_admin(&token);
                drop(mount.send(Operation::Update, &config, json!({ "astra_token": token, "rotation_period": "24h" })));
            }
            Step::Delete => drop(mount.send(Operation::Delete, &config, json!({ "force": true }))),
            Step::Mint => {
                if let Ok(Some(response)) = mount.creds().0
                    && let Some(secret) = response.secret
                {
                    self.leases.push(mount.lease(secret));
                }
            }
            Step::Revoke => {
                if let Some(lease) = self.leases.pop()
                    && mount.revoke(copy(&lease)).0.is_err()
                {
                    self.leases.push(lease);
                }
            }
            Step::Pass(minutes) => {
                mount.host.clock.advance(Duration::from_secs(60 * minutes));
                drop(mount.rollback());
            }
        }
    }

    fn is_configured(&self) -> bool {
        self.mount.host.storage.keys().contains(&format!("config/{ORG_A}"))
    }

    fn end(self) {
        let mount = self.mount;
        mount.host.clock.advance(Duration::from_secs(3600));
        for lease in self.leases {
            mount.revoke(lease).0.unwrap();
        }
        mount.settle();
        let held = mount.host.storage.json(&format!("config/{ORG_A}"));
        let current = held["astra_token"].as_str().map(|token| token.split(':').nth(1).unwrap().to_owned());
        let ours: BTreeSet<String> = current.into_iter().filter(|client_id| client_id.starts_with("Client")).collect();
        let made: BTreeSet<String> =
            mount.astra.live().into_iter().filter(|client_id| client_id.starts_with("Client")).collect();
        assert_eq!(made, ours, "tokens that this mount made");
        mount.assert_recorded(&ours);
        assert!(!mount.host.storage.keys().iter().any(|key| key.starts_with("retired-config/")));
    }
}

fn copy(lease: &Lease) -> Lease {
    let (id, internal_data) = (lease.id.clone(), lease.internal_data.clone());
    Lease { id, internal_data, ..*lease }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn any_walk_ends_with_what_is_held(transactional: bool, steps in prop::collection::vec(step(), 1..14)) {
        let mut walk = Walk::new(transactional);
        for (step, trouble) in &steps {
            walk.take(step, trouble);
        }
        walk.end();
    }
}
