//! The static binary under a real server, in a root without a C library, a shell, a trust store or a resolver, like a
//! container image that contains only the server.

use std::sync::Arc;

use astra_simulator::{Certificate, Settings, Simulator};
use harness::openbao::{MountSettings, OpenBaoDriver, Server};
use harness::{Stage, StageOptions, arguments};
use serde_json::{Value, json};

/// An origin whose name does not exist.
const UNKNOWN_NAME: &str = "https://astra.invalid";

fn mount(server: &Arc<Server>, astra: &Arc<Simulator>, name: &str, environment: &[&str]) -> Stage {
    let options = StageOptions { more_origins: vec![UNKNOWN_NAME.to_owned()], ..StageOptions::default() };
    let settings = MountSettings {
        plugin: name.to_owned(),
        mount_point: format!("{name}/"),
        arguments: arguments(&options, Some(astra.url().to_owned())),
        environment: environment.iter().map(ToString::to_string).collect(),
        ..MountSettings::default()
    };
    Stage::with_driver(Arc::new(OpenBaoDriver::mount(Arc::clone(server), &settings)), Arc::clone(astra))
}

#[track_caller]
fn assert_logged(server: &Server, texts: [&str; 2]) {
    server.wait_for_line(texts[1], |line| texts.iter().all(|text| line.contains(text)));
}

#[test]
fn the_plugin_serves_in_a_root_without_a_distribution_and_names_what_the_root_lacks() {
    let settings = Settings { certificate: Some(Certificate::Good), ..Settings::default() };
    let astra = Arc::new(Simulator::start(settings).unwrap());
    let authority = astra.authority_pem().unwrap();
    let server = Arc::new(Server::start_in_bare_root(&[("ca.pem", authority.as_bytes())]));

    let stage = mount(&server, &astra, "bare", &["SSL_CERT_FILE=/ca.pem"]);
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({}));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    assert_eq!(stage.live(&stage.alpha).len(), 1);
    stage.revoke(&minted.lease_id()).expect(204);
    assert_eq!(stage.live(&stage.alpha).len(), 0);
    let status = stage.read("module", Value::Null).expect(200);
    assert_eq!(status.data["origin"], "embedded", "{status:#?}");
    let compiled_anew = ["does not fit", "carries no precompiled code"].iter().any(|text| server.log().contains(text));
    assert!(!compiled_anew, "the precompiled code was not used");

    let lost = json!({ "astra_token": stage.beta.token, "url": UNKNOWN_NAME, "verify": false });
    stage.write(&format!("config/{}", stage.beta.id), lost).expect(204);
    stage.write(&format!("config/{}/sync-roles", stage.beta.id), json!({})).expect(502);
    assert_logged(&server, ["astra.invalid", "`/etc/resolv.conf` is missing"]);

    let trustless = mount(&server, &astra, "trustless", &["SSL_CERT_FILE=/nowhere.pem"]);
    let config = json!({ "astra_token": stage.alpha.token, "url": astra.url(), "verify": false });
    trustless.write(&format!("config/{}", stage.alpha.id), config).expect(204);
    let failed = trustless.write(&format!("config/{}/sync-roles", stage.alpha.id), json!({}));
    failed.expect_error(502, &["the trusted certificates of this machine cannot be read", "--ca-file="]);
    assert_logged(&server, ["trusted certificates cannot be read", "/nowhere.pem"]);
}
