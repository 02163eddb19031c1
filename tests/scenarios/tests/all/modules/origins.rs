//! Destinations of a mount's guests: the origins that the registration allows for their engine, and those that the
//! options of the mount leave.

use harness::openbao::{MountSettings, OpenBaoDriver};
use harness::{Outcome, StageOptions, Verb, arguments};
use serde_json::{Value, json};

use super::{ask, server};

const ASTRA: &str = "https://api.astra.datastax.com";
const OTHER: &str = "https://other.example";

/// A mount of the Astra engine whose registration allows both origins, with these options.
fn mount(name: &str, options: Value) -> OpenBaoDriver {
    let arguments = [
        arguments(&StageOptions::default(), Some(OTHER.to_owned())),
        vec!["--allow-egress=toy=https://toys.example".to_owned()],
    ];
    let settings = MountSettings {
        plugin: name.to_owned(),
        mount_point: format!("{name}/"),
        arguments: arguments.concat(),
        options,
        ..MountSettings::default()
    };
    OpenBaoDriver::mount(server(), &settings)
}

/// A config whose token is not checked: the answer shows whether the origin is allowed.
fn configure(mount: &OpenBaoDriver, url: &str) -> Outcome {
    let token = format!("AstraCS:clientclientclientclient:{}", "0123456789abcdef".repeat(4));
    let config = json!({ "astra_token": token, "url": url, "verify": false, "force": true });
    ask(mount, Verb::Write, "config/11111111-2222-4333-8444-555555555555", config)
}

#[test]
fn an_origin_of_another_engine_is_not_allowed() {
    let mount = mount("origins-by-engine", json!({}));
    configure(&mount, ASTRA).expect(204);
    configure(&mount, OTHER).expect(204);
    configure(&mount, "https://toys.example").expect_error(400, &["--allow-egress=astra=https://toys.example"]);
}

#[test]
fn a_mount_narrows_its_origins_and_names_none_that_its_registration_lacks() {
    let narrowed = mount("origins-narrowed", json!({ "allowed_origins": OTHER }));
    configure(&narrowed, OTHER).expect(204);
    configure(&narrowed, ASTRA).expect_error(400, &[ASTRA, "`allowed_origins`"]);

    let options = json!({ "allowed_origins": format!("{OTHER},https://toys.example") });
    let body = json!({ "type": "origins-narrowed", "options": options });
    let refused = server().client().call("POST", "sys/mounts/origins-lacking", &body).outcome();
    refused.expect_error(400, &["`allowed_origins`", "`https://toys.example`", "--allow-egress=astra="]);
}
