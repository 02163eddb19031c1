//! The compose file without containers: its commands run as processes, with folders of the test instead of its volumes.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use harness::openbao::ClientProgram;
use harness::{openbao_binary, plugin_binary, simulator_binary, workspace_root};
use serde_json::Value;

use super::documents;
use crate::own_server::{OwnServer, TOKEN, free_port, plugin_folder, wait_for};

fn words(service: &Value, key: &str) -> Vec<String> {
    service[key].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

/// The command with the test's own paths.
#[track_caller]
fn own(words: &[String], places: &[(&str, &str)]) -> Vec<String> {
    let replaced = words.iter().map(|word| places.iter().fold(word.clone(), |text, (from, to)| text.replace(from, to)));
    replaced.collect()
}

#[test]
fn the_commands_of_the_compose_file_make_a_server_that_serves_tokens() {
    let file = documents("compose/compose.yaml").remove(0);
    let (openbao, astra) = (&file["services"]["openbao"], &file["services"]["astra"]);
    assert_eq!(astra["network_mode"], "service:openbao", "the simulator listens on the loopback address");
    for mount in openbao["volumes"].as_array().unwrap().iter().chain(astra["volumes"].as_array().unwrap()) {
        let source = mount.as_str().unwrap().split(':').next().unwrap();
        let is_there = source == "./demo" || workspace_root().join("examples/compose").join(source).is_file();
        assert!(is_there, "{source}");
    }

    let mut simulator = ClientProgram::new();
    let state = simulator.path("astra.json").display().to_string();
    let arguments = own(&words(astra, "command"), &[("127.0.0.1:8300", "127.0.0.1:0"), ("/tmp/astra.json", &state)]);
    assert_eq!(words(astra, "entrypoint"), ["/plugins/astra-simulator"]);
    simulator.start(&simulator_binary(), &arguments);
    wait_for(&simulator, "the simulator", || simulator.output().contains("READY "));
    let url = simulator.output().lines().next().unwrap().replace("READY ", "");

    let program = ClientProgram::new();
    let plugins = plugin_folder(&program).display().to_string();
    let config = fs::read_to_string(workspace_root().join("examples/compose/openbao.hcl")).unwrap();
    let config = program.write("openbao.hcl", &config.replace("/plugins", &plugins)).display().to_string();
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let arguments = own(&words(openbao, "command"), &[("0.0.0.0:8200", &listen), ("/config/openbao.hcl", &config)]);
    assert!(arguments.contains(&format!("-dev-root-token-id={TOKEN}")));
    let arguments = [arguments, vec!["-dev-no-store-token".to_owned()]].concat();
    let server = OwnServer::start(program, &openbao_binary(), &arguments, port);

    let tools = tempfile::tempdir().unwrap();
    symlink(openbao_binary(), tools.path().join("bao")).unwrap();
    let path = format!("{}:{}", tools.path().display(), std::env::var("PATH").unwrap_or_default());
    let mut setup = Command::new("bash");
    setup.arg(workspace_root().join("examples/compose/setup.sh")).current_dir(tools.path());
    let variables = [
        ("PATH", path.as_str()),
        ("STATE", &state),
        ("ASTRA", &url),
        ("BAO_ADDR", &server.address),
        ("BAO_TOKEN", TOKEN),
    ];
    // Each product's command has its own variables.
    setup.env("VAULT_ADDR", &server.address).env("VAULT_TOKEN", TOKEN);
    setup.envs(variables).env("HOME", tools.path()).env("DEMO", plugin_binary().parent().unwrap());
    let done = setup.output().unwrap();
    let printed = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{printed}{}", String::from_utf8_lossy(&done.stderr));
    assert!(printed.contains("AstraCS:") && printed.contains("lease_id"), "{printed}");
}
