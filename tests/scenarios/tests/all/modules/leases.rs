//! The real Astra engine is updated with leases alive: the new module renews and revokes what the old one made.

use std::sync::Arc;

use harness::modules::{ASTRA_VERSION, ModuleFile, ModulesDir, SigningKey};
use harness::openbao::{MountSettings, OpenBaoDriver};
use harness::{Outcome, Stage, StageOptions, arguments, start_astra};
use serde_json::{Value, json};

use super::{runs, server};

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
