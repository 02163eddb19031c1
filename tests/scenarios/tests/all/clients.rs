//! Real clients, each with a policy for one role of one organization: OpenBao's agent keeps a file with a valid token,
//! and a Python program with hvac uses a token through its whole life.

use std::time::Duration;

use harness::openbao::{Client, ClientProgram, Server};
use harness::{Org, Stage, hvac_python, openbao_binary, workspace_root};
use serde_json::{Value, json};

use crate::lifecycle::on;

/// The rights of an application: one role of one organization, and the renewal of its own leases.
fn policy(mount: &str, org: &str) -> String {
    let rules = [
        (format!("{mount}/creds/{org}/reader"), "read"),
        ("auth/token/lookup-self".to_owned(), "read"),
        ("auth/token/renew-self".to_owned(), "update"),
        ("auth/token/revoke-self".to_owned(), "update"),
        ("sys/leases/renew".to_owned(), "update"),
    ];
    let rules = rules.map(|(path, verb)| format!("path \"{path}\" {{ capabilities = [\"{verb}\"] }}\n"));
    rules.concat()
}

/// Related paths that the application must not read.
fn denied(stage: &Stage, mount: &str) -> Vec<String> {
    let (alpha, beta) = (&stage.alpha.id, &stage.beta.id);
    let paths = [
        format!("creds/{alpha}/admin"),
        format!("creds/{beta}/reader"),
        format!("config/{alpha}"),
        format!("roles/{alpha}/reader"),
        format!("tokens/{alpha}/any"),
        "org/token".to_owned(),
        "info".to_owned(),
    ];
    paths.map(|path| format!("{mount}/{path}")).to_vec()
}

/// Number of tokens that the mount ever made, including those that have ended.
fn ever_made(stage: &Stage, org: &Org) -> usize {
    stage.astra.tokens_marked(&org.id, "vault-mark:").len()
}

const MOUNT_OF_AGENT: &str = "astra-agent";

#[test]
fn an_agent_keeps_a_file_with_a_token_that_works() {
    let server = Server::shared();
    let stage = on(&server, MOUNT_OF_AGENT);
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "20s", "max_ttl": "1h" }));
    stage.make_role(&stage.alpha, "admin", json!({}));
    stage.configure(&stage.beta);
    stage.make_role(&stage.beta, "reader", json!({}));
    let root = server.client();

    let mut agent = ClientProgram::new();
    let config = agent.write("agent.hcl", &agent_config(&stage, &agent, &root));
    let arguments =
        ["agent".to_owned(), format!("-config={}", config.display()), format!("-address={}", server.address())];
    agent.start(&openbao_binary(), &arguments);
    server.wait_for("the agent's file", || {
        assert!(agent.is_running(), "{}", agent.output());
        !agent.read("astra-token").is_empty()
    });
    let token = agent.read("astra-token");
    assert!(stage.works(&token));
    stage.assert_consistent(&stage.alpha, 1);
    let lease = stage.driver.leases().pop().unwrap();

    // The agent renews at once, and again as time passes.
    let lookup =
        || root.must("PUT", "sys/leases/lookup", &json!({ "lease_id": lease }))["data"]["last_renewal"].clone();
    server.wait_for("a renewal", || lookup().is_string());
    let first = lookup();
    server.wait_for("another renewal", || lookup() != first);
    assert_eq!(agent.read("astra-token"), token, "the same token all the time");
    assert!(stage.works(&token));
    stage.assert_consistent(&stage.alpha, 1);

    let application = root.with_token(agent.read("agent-token").trim());
    assert_eq!(application.call("GET", "auth/token/lookup-self", &Value::Null).status, 200);
    for path in denied(&stage, MOUNT_OF_AGENT) {
        assert_eq!(application.call("GET", &path, &Value::Null).status, 403, "{path}");
    }
    agent.stop();
    stage.assert_no_secret("the agent's output", &agent.output());
    stage.revoke(&lease).expect(204);
    assert!(!stage.works(&token));
    stage.assert_consistent(&stage.alpha, 0);
    assert_eq!(ever_made(&stage, &stage.alpha), 1, "what was refused made nothing");
    assert_eq!(ever_made(&stage, &stage.beta), 0);
    stage.finish();
}

/// Makes an AppRole, and the agent's configuration: log in, write its own token to one file and Astra's to another.
fn agent_config(stage: &Stage, agent: &ClientProgram, root: &Client) -> String {
    let (mount, org) = (MOUNT_OF_AGENT, &stage.alpha.id);
    let policy = policy(mount, org);
    root.must("PUT", &format!("sys/policies/acl/{mount}"), &json!({ "policy": policy }));
    root.must("POST", &format!("sys/auth/{mount}"), &json!({ "type": "approle" }));
    let role = format!("auth/{mount}/role/app");
    root.must("POST", &role, &json!({ "token_policies": [mount], "token_no_default_policy": true }));
    let role_id = root.must("GET", &format!("{role}/role-id"), &Value::Null)["data"]["role_id"].clone();
    let secret_id = root.must("POST", &format!("{role}/secret-id"), &Value::Null)["data"]["secret_id"].clone();
    let role_id = agent.write("role-id", role_id.as_str().unwrap());
    let secret_id = agent.write("secret-id", secret_id.as_str().unwrap());
    let (own_token, astra_token) = (agent.path("agent-token"), agent.path("astra-token"));
    format!(
        r#"
auto_auth {{
  method "approle" {{
    mount_path = "auth/{mount}"
    config = {{
      role_id_file_path = {role_id:?}
      secret_id_file_path = {secret_id:?}
    }}
  }}
  sink "file" {{
    config = {{ path = {own_token:?} }}
  }}
}}
template_config {{
  exit_on_retry_failure = true
}}
template {{
  contents = "{{{{ with secret \"{mount}/creds/{org}/reader\" }}}}{{{{ .Data.token }}}}{{{{ end }}}}"
  destination = {astra_token:?}
}}
"#
    )
}

const MOUNT_OF_HVAC: &str = "astra-hvac";

#[test]
fn a_python_program_goes_through_the_whole_life() {
    let server = Server::shared();
    let stage = on(&server, MOUNT_OF_HVAC);
    stage.configure(&stage.beta);
    stage.make_role(&stage.beta, "reader", json!({}));
    let mut program = ClientProgram::new();
    let settings = json!({
        "address": server.address(),
        "root_token": server.root_token(),
        "mount": MOUNT_OF_HVAC,
        "org": stage.alpha.id,
        "astra_url": stage.astra.url(),
        "astra_token": stage.alpha.token,
        "role_id": stage.astra_role(&stage.alpha, "R/W User"),
        "policy": policy(MOUNT_OF_HVAC, &stage.alpha.id),
        "denied": denied(&stage, MOUNT_OF_HVAC),
    });
    let settings = program.write("settings.json", &settings.to_string());
    let script = workspace_root().join("tests/scenarios/tests/all/hvac_life.py");
    let arguments = [script, settings].map(|path| path.display().to_string());
    program.start(&hvac_python(), &arguments);
    server.wait_at_most(PROGRAM_DEADLINE, "the program's end", || !program.is_running());
    assert_eq!(program.output().trim(), "done");
    // The server revokes the leases of an ended token asynchronously.
    server
        .wait_for("the end of its leases", || stage.live(&stage.alpha).is_empty() && stage.driver.leases().is_empty());
    stage.assert_consistent(&stage.alpha, 0);
    assert_eq!(ever_made(&stage, &stage.alpha), 2, "what was refused made nothing");
    assert_eq!(ever_made(&stage, &stage.beta), 0);
    stage.finish();
}

/// Time for some thirty requests, and the start of Python, on a busy machine.
const PROGRAM_DEADLINE: Duration = Duration::from_secs(120);
