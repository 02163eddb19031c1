//! The network path to Astra by an operator's configuration: arguments and environment of a registration on a real
//! server.

use std::sync::Arc;

use astra_simulator::{Certificate, Settings, Simulator};
use harness::network::{Proxy, ProxyPlay};
use harness::openbao::{MountSettings, OpenBaoDriver, Server};
use harness::{Stage, StageOptions, arguments};
use serde_json::json;

use crate::network::{HOST, address_of};

#[test]
fn the_plugin_goes_through_the_proxy_of_its_environment_and_trusts_the_file_of_its_registration() {
    let settings = Settings { certificate: Some(Certificate::Good), ..Settings::default() };
    let astra = Arc::new(Simulator::start(settings).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let authority = directory.path().join("authority.pem");
    std::fs::write(&authority, astra.authority_pem().unwrap()).unwrap();
    // `user:pass-canary`.
    let proxy = Proxy::start(ProxyPlay::TunnelFor("Basic dXNlcjpwYXNzLWNhbmFyeQ==".to_owned()), address_of(&astra));
    let url = format!("https://{HOST}:{}", address_of(&astra).port());
    let mut arguments = arguments(&StageOptions::default(), Some(url.clone()));
    arguments.extend([format!("--ca-file={}", authority.display()), "--proxy-from-environment".to_owned()]);
    let proxy_url = proxy.url().replace("http://", "http://user:pass-canary@");
    let settings = MountSettings {
        plugin: "astra-proxy".to_owned(),
        mount_point: "astra-proxy/".to_owned(),
        arguments,
        environment: vec![format!("HTTPS_PROXY={proxy_url}")],
        ..MountSettings::default()
    };
    let server = Server::shared();
    let stage = Stage::with_driver(Arc::new(OpenBaoDriver::mount(Arc::clone(&server), &settings)), Arc::clone(&astra));
    let config = json!({ "astra_token": stage.alpha.token, "url": url });
    let written = stage.write(&format!("config/{}", stage.alpha.id), config);
    assert_eq!((written.status, written.warnings.len()), (204, 0), "{written:#?}");
    stage.make_role(&stage.alpha, "reader", json!({}));
    let minted = stage.mint(&stage.alpha, "reader").expect(200);
    stage.assert_consistent(&stage.alpha, 1);
    stage.revoke(&minted.lease_id()).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
    let targets = proxy.targets();
    assert!(!targets.is_empty() && targets.iter().all(|target| target.starts_with(HOST)), "{targets:?}");
    let log = server.log();
    let shown: Vec<&str> = log.lines().filter(|line| line.contains("pass-canary")).collect();
    assert!(shown.is_empty(), "the log shows credentials of the proxy: {shown:#?}");
    stage.finish();
}

#[test]
fn invalid_network_arguments_stop_the_start_and_are_named() {
    let rows = [
        ("ca", vec!["--ca-file=/nowhere/authority.pem"], "/nowhere/authority.pem"),
        ("socks", vec!["--proxy=socks5://p.example:1"], "SOCKS proxies are not supported"),
        ("credentials", vec!["--proxy=http://user:argument-canary@p.example:1"], "`http://p.example:1` is no proxy"),
        ("both", vec!["--proxy=http://p.example:1", "--proxy-from-environment"], "--proxy-from-environment"),
        ("key", vec!["--egress-client-cert=/c.pem"], "--egress-client-key"),
    ];
    let server = Server::shared();
    for (name, arguments, expected) in rows {
        let name = format!("astra-way-{name}");
        let arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
        server.register(&name, &arguments);
        let before = server.log().len();
        let enabled = server.client().call("POST", &format!("sys/mounts/{name}"), &json!({ "type": name }));
        assert!(enabled.status >= 400, "{name}: {enabled:?}");
        server.wait_for(expected, || server.log().get(before..).is_some_and(|log| log.contains(expected)));
    }
}
