//! Updates with live leases: the new module renews and revokes the leases of the old one, or a revert lets the old one
//! do so.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use harness::modules::{ASTRA_VERSION, ModuleFile, ModulesDir, SigningKey};
use harness::{Driver as _, Outcome, Stage};
use serde_json::{Value, json};

use super::{Toys, astra, runs, server, toy};

/// A mount of the Astra engine, with the directory of its next version.
struct Updated {
    stage: Stage,
    folder: ModulesDir,
    key: SigningKey,
    next: ModuleFile,
}

impl Updated {
    fn new(name: &str) -> Self {
        let (folder, key) = (ModulesDir::new(), SigningKey::generate());
        let stage = astra(name, &folder, &key);
        let updated = Self { stage, folder, key, next: ModuleFile::astra(&next_version()) };
        updated.assert_serves(ASTRA_VERSION);
        updated
    }

    fn drop_in(&self) {
        self.folder.drop_in_signed(&self.next, &[&self.key]);
        let status = || self.stage.read("module", Value::Null).expect(200).data;
        server().wait_for("the next version", || runs(&status()) == self.next.version);
        self.assert_serves(&self.next.version);
    }

    fn go_back(&self) {
        let back = self.stage.write("module/rollback", json!({}));
        assert!(back.status < 300, "{back:#?}");
        self.assert_serves(ASTRA_VERSION);
    }

    #[track_caller]
    fn assert_serves(&self, version: &str) {
        for path in ["module", "info"] {
            assert_eq!(self.stage.read(path, Value::Null).expect(200).text("version"), version);
        }
    }
}

#[test]
fn leases_of_the_old_astra_module_live_and_end_with_the_new_one() {
    let updated = Updated::new("astra-updated");
    let stage = &updated.stage;
    let mint = || stage.mint(&stage.alpha, "reader").expect(200);
    let old: Vec<Outcome> = (0..4).map(|_| mint()).collect();
    updated.drop_in();
    let new = mint();
    stage.assert_consistent(&stage.alpha, 5);
    for lease in [&old[0], &old[1], &new] {
        stage.renew(&lease.lease_id(), None).expect(200);
        assert!(stage.works(lease.text("token")));
    }
    stage.revoke(&old[0].lease_id()).expect(204);
    assert!(!stage.works(old[0].text("token")));

    // After the revert, the old module revokes the leases of the new one.
    updated.go_back();
    stage.renew(&new.lease_id(), None).expect(200);
    for lease in [&old[1], &new] {
        stage.revoke(&lease.lease_id()).expect(204);
        assert!(!stage.works(lease.text("token")));
    }
    stage.driver.revoke_prefix("").expect(204);
    stage.assert_consistent(&stage.alpha, 0);
    stage.finish();
}

/// Tokens are minted and revoked all the time while the engine changes back and forth: none is refused, and none is
/// left over.
#[test]
fn tokens_that_are_made_during_an_update_all_have_an_end() {
    let updated = Updated::new("astra-busy");
    let (stage, stop, made) = (&updated.stage, AtomicBool::new(false), AtomicUsize::new(0));
    let mint_and_revoke = || {
        while !stop.load(Ordering::Relaxed) {
            let kept = stage.mint(&stage.alpha, "reader").expect(200);
            let ended = stage.mint(&stage.alpha, "reader").expect(200);
            stage.renew(&kept.lease_id(), None).expect(200);
            stage.revoke(&ended.lease_id()).expect(204);
            made.fetch_add(1, Ordering::Relaxed);
        }
    };
    let go_on = || {
        let enough = made.load(Ordering::Relaxed) + 6;
        server().wait_for("tokens", || made.load(Ordering::Relaxed) >= enough);
    };
    std::thread::scope(|scope| {
        // Also when the test fails: otherwise the test would wait for the clients.
        let _end = Stop(&stop);
        let clients = [(); 3].map(|()| scope.spawn(mint_and_revoke));
        go_on();
        updated.drop_in();
        go_on();
        updated.go_back();
        go_on();
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
    stage.assert_consistent(&stage.alpha, made.load(Ordering::Relaxed));
    stage.driver.revoke_prefix("").expect(204);
    stage.assert_consistent(&stage.alpha, 0);
    stage.finish();
}

/// The drop tells the clients to end.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The next patch version, with the same number of digits.
pub(crate) fn next_version() -> String {
    let (front, last) = ASTRA_VERSION.split_at(ASTRA_VERSION.len() - 1);
    let next = last.parse::<u8>().map(|last| last + 1).unwrap();
    assert!(next <= 9, "{ASTRA_VERSION} has no next version of its length");
    format!("{front}{next}")
}

/// Makes this number of leases of the toy.
fn leased(toys: &Toys, path: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| toys.read(path).expect(200).lease_id()).collect()
}

fn live_on_and_end(toys: &Toys, leases: &[String]) {
    for lease in leases {
        toys.mount.renew(lease, None).expect(200);
        toys.mount.revoke(lease).expect(204);
    }
}

/// The server uses the path that made the lease, which the new module no longer has.
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

/// A module that does not know the kind of a lease is not activated; the old module keeps its leases.
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

/// A module that falsely declares a kind of leases loses none of them; after a revert they are revoked.
#[test]
fn leases_that_a_module_forgot_end_after_a_revert() {
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
