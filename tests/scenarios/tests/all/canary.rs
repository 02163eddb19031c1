//! The memory of an idle plugin, searched from outside, contains no token. Only the owner of the machine can search it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use astra_simulator::{Certificate, Settings, Simulator};
use harness::memory::{Hidden, places};
use harness::openbao::{MountSettings, OpenBaoDriver, Server};
use harness::{Stage, StageOptions, arguments};
use serde_json::{Value, json};

/// Characters of a secret that the search needs, because a part is a leak, too.
const SEARCHED: usize = 32;
/// Time on a busy machine for the wipe that is promised within 5 s.
const PATIENCE: Duration = Duration::from_secs(60);

fn hidden(secret: &str) -> Hidden {
    let part = secret.rsplit(':').next().unwrap_or_default();
    assert!(part.len() > SEARCHED, "too short to be a token");
    Hidden::new(&part[..SEARCHED])
}

/// The places of the secrets in the plugin's memory.
fn found(server: &Server, secrets: &[Hidden]) -> Vec<String> {
    let [plugin] = server.plugin_pids()[..] else { panic!("there is one plugin") };
    places(plugin, secrets).unwrap()
}

#[test]
fn the_memory_of_a_plugin_that_rests_holds_no_token() {
    let settings = Settings { certificate: Some(Certificate::Good), ..Settings::default() };
    let astra = Arc::new(Simulator::start(settings).unwrap());
    let authority = astra.authority_pem().unwrap();
    // In this test's own user namespace, any user may read the memory.
    let server = Arc::new(Server::start_in_bare_root(&[("ca.pem", authority.as_bytes())]));
    let mount = MountSettings {
        plugin: "canary".to_owned(),
        mount_point: "canary/".to_owned(),
        arguments: arguments(&StageOptions::default(), Some(astra.url().to_owned())),
        environment: vec!["SSL_CERT_FILE=/ca.pem".to_owned()],
        ..MountSettings::default()
    };
    let driver = OpenBaoDriver::mount(Arc::clone(&server), &mount);
    let stage = Stage::with_driver(Arc::new(driver), Arc::clone(&astra));

    stage.ready();
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    let secrets = [hidden(&stage.alpha.token), hidden(minted.text("token")), hidden(minted.text("secret"))];
    assert!(!found(&server, &secrets).is_empty(), "the search finds what a request has just used");
    stage.revoke(&minted.lease_id()).expect(204);

    // The buffers of HTTP/2 to the server keep their last content until other requests and answers replace it: writes
    // of other entries, then reads that need no token.
    let synced = stage.write(&format!("config/{}/sync-roles", stage.alpha.id), json!({}));
    assert!(synced.status < 300, "{synced:#?}");
    for _ in 0..20 {
        stage.write(&format!("roles/{}/reader", stage.alpha.id), json!({ "ttl": "1h" })).expect(204);
    }
    let deadline = Instant::now() + PATIENCE;
    while !found(&server, &secrets).is_empty() && Instant::now() < deadline {
        for _ in 0..20 {
            stage.read(&format!("roles/{}/reader", stage.alpha.id), Value::Null).expect(200);
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    assert_eq!(found(&server, &secrets), Vec::<String>::new());
}
