//! OpenBao downloads the plugin from the image of a release in the test's own registry, and registers it automatically.

use std::fs;
use std::process::Command;

use harness::openbao::{Ability, ClientProgram, can_play};
use harness::{openbao_binary, sha256_hex, workspace_root};
use serde_json::{Value, json};

use super::made::{PLUGIN, Release};
use super::run;
use crate::own_server::{OwnServer, dev_arguments, free_port, wait_for};

/// The example, filled in by its reader.
fn configuration(release: &Release, registry: &str, plugins: &str) -> String {
    let example = fs::read_to_string(workspace_root().join("examples/openbao-declarative/plugin.hcl")).unwrap();
    let sum = release.text(".sha256").split_whitespace().next().unwrap().to_owned();
    let mut text = example;
    for (from, to) in [
        ("registry.example.com/", format!("{registry}/").as_str()),
        ("/var/lib/openbao/plugins", plugins),
        ("v3.0.0", &format!("v{}", release.version)),
        ("PLUGIN_SHA256", &sum),
    ] {
        assert!(text.contains(from), "the example has no `{from}`");
        text = text.replace(from, to);
    }
    text
}

#[test]
fn openbao_downloads_and_registers_the_plugin_from_its_image() {
    let scenario = "release::declarative::openbao_downloads_and_registers_the_plugin_from_its_image";
    if !can_play(scenario, Ability::DeclarativePlugins) {
        return;
    }
    let release = Release::made();
    let mut registry = ClientProgram::new();
    let script = workspace_root().join("tests/tools/oci-registry.py").display().to_string();
    let layouts = [format!("{PLUGIN}_{}_oci.tar", release.version), format!("astra-{}_oci.tar", release.version)];
    let arguments = layouts.map(|name| release.folder().join(name).display().to_string());
    registry.start("python3".as_ref(), &[vec![script], arguments.to_vec()].concat());
    wait_for(&registry, "the registry", || registry.output().contains("READY "));
    let address = registry.output().trim().replace("READY ", "");
    let program = ClientProgram::new();
    let plugins = program.path("plugins");
    fs::create_dir(&plugins).unwrap();
    let config = program.write("plugin.hcl", &configuration(release, &address, &plugins.display().to_string()));
    let port = free_port();
    let server = OwnServer::start(program, &openbao_binary(), &dev_arguments(port, &config), port);

    let client = &server.client;
    let catalog = format!("sys/plugins/catalog/secret/{PLUGIN}?version=v{}", release.version);
    wait_for(&server.program, "the registration", || client.call("GET", &catalog, &Value::Null).status == 200);
    client.must("POST", "sys/mounts/astra", &json!({ "type": PLUGIN }));
    let info = client.must("GET", "astra/info", &Value::Null);
    assert_eq!(info["data"]["version"], release.version, "{info}");
    let module = client.must("GET", "astra/module", &Value::Null);
    assert_eq!(module["data"]["origin"], "embedded", "{module}");

    // The registry also has the module, for users who distribute modules that way.
    let pull =
        |what: &str| run(Command::new("curl").args(["-sf", &format!("http://{address}/v2/astra/{what}")])).stdout;
    let manifest: Value = serde_json::from_slice(&pull(&format!("manifests/v{}", release.version))).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let wasm = pull(&format!("blobs/{layer}"));
    assert_eq!(format!("sha256:{}", sha256_hex(&wasm)), layer);
    assert_eq!(wasm, fs::read(release.folder().join(format!("astra-{}.wasm", release.version))).unwrap());
}
