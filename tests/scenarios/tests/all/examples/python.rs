//! The Python programs, run as an application runs them: with a token of the server that may read one path.

use std::process::{Command, Output};

use harness::openbao::{ClientProgram, Server};
use harness::{Stage, examples_python, workspace_root};
use serde_json::json;

use crate::lifecycle::on;
use crate::own_server::wait_for;

/// A mount with a role, and a token of the server that may read the role's creds.
fn prepared(server: &std::sync::Arc<Server>, mount: &str) -> (Stage, String, String) {
    let stage = on(server, mount);
    stage.configure(&stage.alpha);
    stage.make_role(&stage.alpha, "reader", json!({ "ttl": "1h" }));
    let creds = format!("{mount}/creds/{}/reader", stage.alpha.id);
    let rule = format!("path \"{creds}\" {{ capabilities = [\"read\"] }}");
    let root = server.client();
    root.must("PUT", &format!("sys/policies/acl/{mount}"), &json!({ "policy": rule }));
    let made = root.must("POST", "auth/token/create", &json!({ "policies": [mount], "no_default_policy": true }));
    let token = made["auth"]["client_token"].as_str().unwrap().to_owned();
    (stage, creds, token)
}

fn program(name: &str) -> Command {
    let mut program = Command::new(examples_python());
    program.arg(workspace_root().join("examples/python").join(name));
    program
}

fn run(mut program: Command, server: &Server, creds: &str, token: &str, place: (&str, &str)) -> Output {
    program.env("BAO_ADDR", server.address()).env("BAO_TOKEN", token).env("ASTRA_CREDS", creds).env(place.0, place.1);
    program.output().unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[test]
fn astrapy_works_with_a_leased_token_and_no_longer_than_its_lease() {
    let server = Server::shared();
    let (stage, creds, token) = prepared(&server, "astra-astrapy");
    let place = ("ASTRA_URL", stage.astra.url());
    let text = printed(&run(program("astrapy_app.py"), &server, &creds, &token, place));
    assert!(text.contains("in us-east-2") && text.contains("collections: 0"), "{text}");
    let lease = text.lines().find_map(|line| line.strip_prefix("lease: ")).unwrap();
    stage.assert_consistent(&stage.alpha, 1);
    stage.revoke(lease).expect(204);
    stage.assert_consistent(&stage.alpha, 0);
    // A role whose tokens must not see databases: the program reports Astra's error, not a wrong field.
    stage.make_role(&stage.alpha, "reader", json!({ "role_id": stage.astra_role(&stage.alpha, "Billing Admin") }));
    let refused = run(program("astrapy_app.py"), &server, &creds, &token, place);
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("403"), "{refused:?}");
    let leases = format!("sys/leases/revoke-prefix/{creds}");
    server.client().must("PUT", &leases, &json!({ "sync": true }));
    stage.assert_consistent(&stage.alpha, 0);
    stage.finish();
}

#[test]
fn the_cassandra_driver_logs_in_with_the_token_as_its_password() {
    logs_in_with_a_leased_token(program("cassandra_app.py"), "astra-cassandra");
}

/// Runs a program that connects to a CQL server, which takes the tokens of Astra.
#[track_caller]
pub(super) fn logs_in_with_a_leased_token(program: Command, mount: &str) {
    let server = Server::shared();
    let (stage, creds, token) = prepared(&server, mount);
    let mut database = ClientProgram::new();
    let script = workspace_root().join("tests/tools/cql-server.py").display().to_string();
    database.start("python3".as_ref(), &[script, stage.astra.url().to_owned()]);
    wait_for(&database, "the CQL server", || database.output().contains("READY "));
    let address = database.output().lines().next().unwrap().replace("READY ", "");
    let place = ("CQL_ADDRESS", address.as_str());
    let text = printed(&run(program, &server, &creds, &token, place));
    assert!(text.contains("connected, version 4.0.0"), "{text}");
    assert!(database.output().contains("user `token` accepted"), "{}", database.output());
    stage.assert_consistent(&stage.alpha, 1);
    server.client().must("PUT", &format!("sys/leases/revoke-prefix/{creds}"), &json!({ "sync": true }));
    stage.assert_consistent(&stage.alpha, 0);
    stage.finish();
}
