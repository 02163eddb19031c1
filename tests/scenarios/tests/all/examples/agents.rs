//! The agent with the example's configuration, and with the template that the agent injector would make.

use harness::openbao::{ClientProgram, Server};
use harness::openbao_binary;
use serde_json::{Value, json};

use super::{documents, example, filled_in};
use crate::lifecycle::on;

const MOUNT: &str = "astra-example-agent";

/// The agent's stanza for the annotations of the pod.
fn injected(mount: &str, org: &str, destination: &str) -> String {
    let pods = documents("kubernetes/agent-injector.yaml");
    let annotations = &pods[0]["spec"]["template"]["metadata"]["annotations"];
    let template = annotations["vault.hashicorp.com/agent-inject-template-astra"].as_str().unwrap();
    let template = template.replace("astra/creds/ORG_ID/ROLE", &format!("{mount}/creds/{org}/reader"));
    format!("\ntemplate {{\n  destination = {destination:?}\n  contents = {template:?}\n}}\n")
}

#[test]
fn an_agent_renders_the_example_and_the_template_of_the_injector() {
    let server = Server::shared();
    let stage = on(&server, MOUNT);
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "1h" }));
    let (root, org) = (server.client(), stage.alpha.id.clone());
    let rule = format!("path \"{MOUNT}/creds/{org}/reader\" {{ capabilities = [\"read\"] }}");
    root.must("PUT", &format!("sys/policies/acl/{MOUNT}"), &json!({ "policy": rule }));
    root.must("POST", &format!("sys/auth/{MOUNT}"), &json!({ "type": "approle" }));
    let role = format!("auth/{MOUNT}/role/app");
    root.must("POST", &role, &json!({ "token_policies": [MOUNT] }));
    let role_id = root.must("GET", &format!("{role}/role-id"), &Value::Null)["data"]["role_id"].clone();
    let secret_id = root.must("POST", &format!("{role}/secret-id"), &Value::Null)["data"]["secret_id"].clone();

    let mut agent = ClientProgram::new();
    agent.write("role-id", role_id.as_str().unwrap());
    agent.write("secret-id", secret_id.as_str().unwrap());
    let folder = agent.path("").display().to_string();
    let own = [
        ("https://openbao.example.com:8200", server.address()),
        ("method \"approle\" {", &format!("method \"approle\" {{\n    mount_path = \"auth/{MOUNT}\"")),
        ("/etc/astra-agent/", &folder),
        ("/run/astra/", &folder),
        ("astra/creds/ORG_ID/ROLE", &format!("{MOUNT}/creds/{org}/reader")),
    ];
    let rendered = agent.path("injected").display().to_string();
    let config = filled_in("agent/agent.hcl", &own) + &injected(MOUNT, &org, &rendered);
    let config = agent.write("agent.hcl", &config);
    agent.start(&openbao_binary(), &["agent".to_owned(), format!("-config={}", config.display())]);
    server.wait_for("both files of the agent", || {
        assert!(agent.is_running(), "{}", agent.output());
        !agent.read("token").is_empty() && !agent.read("injected").is_empty()
    });
    assert!(stage.works(&agent.read("token")));
    let injected = agent.read("injected");
    let variable = injected.trim().strip_prefix("ASTRA_DB_APPLICATION_TOKEN=").unwrap();
    assert!(stage.works(variable));
    agent.stop();
    root.must("PUT", &format!("sys/leases/revoke-prefix/{MOUNT}"), &json!({ "sync": true }));
    assert!(!stage.works(variable));
    stage.assert_consistent(&stage.alpha, 0);
    stage.finish();
    assert!(example("agent/agent.hcl").contains("renews the lease"));
}
