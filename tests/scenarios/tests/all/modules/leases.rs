//! Updates with leases alive: the new module renews and revokes what the old one made, or the way back does.

use std::sync::Arc;

use harness::modules::{ASTRA_VERSION, ModuleFile, ModulesDir, SigningKey};
use harness::openbao::{MountSettings, OpenBaoDriver};
use harness::{Driver as _, Outcome, Stage, StageOptions, arguments, start_astra};
use serde_json::{Value, json};

use super::{Toys, runs, server, toy};

#[test]
fn leases_of_the_old_astra_module_live_and_end_with_the_new_one() {
    let next = ModuleFile::astra(&next_version());
    let (folder, key) = (ModulesDir::new(), SigningKey::generate());
    let options = StageOptions::default();
    let astra = start_astra(&options);
    let more = [folder.argument(), key.trust()];
    let settings = MountSettings {
        plugin: "astra-updated".to_owned(),
        mount_point: "astra-updated/".to_owned(),
        arguments: [arguments(&options, Some(astra.url().to_owned())), more.to_vec()].concat(),
        ..MountSettings::default()
    };
    let stage = Stage::with_driver(Arc::new(OpenBaoDriver::mount(server(), &settings)), astra);
    let status = || stage.read("module", Value::Null).expect(200).data;
    let serving = || stage.read("info", Value::Null).expect(200).text("version").to_owned();
    stage.ready();
    assert_eq!((runs(&status()).to_owned(), serving()), (ASTRA_VERSION.to_owned(), ASTRA_VERSION.to_owned()));

    let mint = || stage.mint(&stage.alpha, "reader").expect(200);
    let old: Vec<Outcome> = (0..4).map(|_| mint()).collect();
    folder.drop_in_signed(&next, &[&key]);
    server().wait_for("the next version", || runs(&status()) == next.version);
    assert_eq!(serving(), next.version);
    let new = mint();
    stage.assert_consistent(&stage.alpha, 5);
    for lease in [&old[0], &old[1], &new] {
        stage.renew(&lease.lease_id(), None).expect(200);
        assert!(stage.works(lease.text("token")));
    }
    stage.revoke(&old[0].lease_id()).expect(204);
    assert!(!stage.works(old[0].text("token")));

    // And back: the old module ends what the new one made.
    let back = stage.write("module/rollback", json!({}));
    assert!(back.status < 300, "{back:#?}");
    assert_eq!(serving(), ASTRA_VERSION);
    stage.renew(&new.lease_id(), None).expect(200);
    for lease in [&old[1], &new] {
        stage.revoke(&lease.lease_id()).expect(204);
        assert!(!stage.works(lease.text("token")));
    }
    stage.driver.revoke_prefix("").expect(204);
    stage.assert_consistent(&stage.alpha, 0);
    stage.finish();
}

/// One patch further, in as many digits.
pub(crate) fn next_version() -> String {
    let (front, last) = ASTRA_VERSION.split_at(ASTRA_VERSION.len() - 1);
    let next = last.parse::<u8>().map(|last| last + 1).unwrap();
    assert!(next <= 9, "{ASTRA_VERSION} has no next version of its length");
    format!("{front}{next}")
}

/// Leases of the toy, so many.
fn leased(toys: &Toys, path: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| toys.read(path).expect(200).lease_id()).collect()
}

fn live_on_and_end(toys: &Toys, leases: &[String]) {
    for lease in leases {
        toys.mount.renew(lease, None).expect(200);
        toys.mount.revoke(lease).expect(204);
    }
}

/// The server asks by the path that made the lease, which the new module no longer has.
#[test]
fn leases_outlive_the_path_that_made_them() {
    let moved = toy("leases_elsewhere", 31);
    let toys = Toys::pinned(server(), &[&moved]);
    let old = leased(&toys, "lease", 3);
    toys.folder.drop_in(&moved);
    toys.wait_for(31);
    toys.read("lease").expect(404);
    live_on_and_end(&toys, &old[..2]);
    live_on_and_end(&toys, &leased(&toys, "loan", 2));
    toys.restart();
    toys.assert_serves(31);
    live_on_and_end(&toys, &old[2..]);
    assert!(toys.mount.leases().is_empty());
}

/// A kind of lease that the new one does not know at all keeps it out; the old one goes on with them.
#[test]
fn a_module_that_does_not_know_the_leases_never_serves() {
    let nothing = toy("leases_nothing", 31);
    let toys = Toys::pinned(server(), &[&nothing]);
    let old = leased(&toys, "lease", 2);
    toys.folder.drop_in(&nothing);
    toys.wait_for_refusal(31, &["leases of `toy`"]);
    toys.assert_serves(30);
    live_on_and_end(&toys, &old);
    assert!(toys.mount.leases().is_empty());
}

/// One that says that it knows them and does not: no lease is lost by it, and the way back ends them.
#[test]
fn leases_that_a_module_forgot_end_after_the_way_back() {
    let forgets = toy("forgets_leases", 31);
    let toys = Toys::pinned(server(), &[&forgets]);
    let old = leased(&toys, "lease", 2);
    toys.folder.drop_in(&forgets);
    toys.wait_for(31);
    for lease in &old {
        for refused in [toys.mount.renew(lease, None), toys.mount.revoke(lease)] {
            assert!((400..500).contains(&refused.status), "{refused:#?}");
        }
    }
    assert_eq!(toys.mount.leases().len(), old.len(), "what is not revoked is not forgotten");
    toys.must("module/rollback", Value::Null);
    toys.assert_serves(30);
    live_on_and_end(&toys, &old);
    assert!(toys.mount.leases().is_empty());
}
