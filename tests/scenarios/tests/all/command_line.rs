//! `run` of the plugin's binary with an Astra, as an author of an engine uses it without a server.

use std::path::Path;
use std::process::{Command, Output};

use astra_simulator::{Simulator, TokenState};
use harness::{StageOptions, plugin_binary, start_astra};
use serde_json::Value;

/// One request to the embedded module, with a storage file in the folder.
fn run(folder: &Path, astra: &Simulator, arguments: &[&str]) -> Output {
    let mut command = Command::new(plugin_binary());
    command.current_dir(folder).args(["run", "--storage", "mount.redb", "--format", "json"]);
    command.arg(format!("--allow-egress=astra={}", astra.url())).args(arguments);
    command.output().unwrap()
}

/// As `run`, for a command that must succeed.
#[track_caller]
fn ask(folder: &Path, astra: &Simulator, arguments: &[&str]) -> Value {
    let output = run(folder, astra, arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {} {stderr}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(stderr, "", "{arguments:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_token_is_made_renewed_and_revoked_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let (folder, astra) = (folder.path(), start_astra(&StageOptions::default()));
    let org = &astra.organizations()[0];
    let live = || {
        let tokens = astra.tokens(&org.id).into_iter();
        tokens.filter(|token| token.state == TokenState::Live && token.description.contains("vault-mark:")).count()
    };
    let role_id = astra.role_id(&org.id, "R/W User").unwrap();
    let (config, role) = (format!("config/{}", org.id), format!("roles/{}/reader", org.id));
    let token = format!("astra_token={}", org.bootstrap.token);
    ask(folder, &astra, &["write", &config, &token, &format!("url={}", astra.url())]);
    ask(folder, &astra, &["write", &role, &format!("role_id={role_id}"), "ttl=10m", "max_ttl=1h"]);

    let creds = format!("creds/{}/reader", org.id);
    let (minted, other) = (ask(folder, &astra, &["read", &creds]), ask(folder, &astra, &["read", &creds]));
    assert_eq!((minted["lease"]["ttl_seconds"].as_u64(), live()), (Some(600), 2), "{minted}");
    assert!(minted["data"]["token"].as_str().unwrap().starts_with("AstraCS:"), "{minted}");
    let (lease, other_lease) = (minted["lease"]["id"].as_str().unwrap(), other["lease"]["id"].as_str().unwrap());
    assert_ne!(lease, other_lease);

    let renewed = ask(folder, &astra, &["renew", lease, "--increment=30m"]);
    let ttl = renewed["lease"]["ttl_seconds"].as_u64().unwrap();
    assert!((1_790..=1_800).contains(&ttl), "{renewed}");

    // By the lease's ID, and by the output of an earlier run.
    ask(folder, &astra, &["revoke", lease]);
    assert_eq!(live(), 1);
    std::fs::write(folder.join("lease.json"), other.to_string()).unwrap();
    ask(folder, &astra, &["revoke", "--lease=lease.json"]);
    assert_eq!(live(), 0);
    assert_eq!(run(folder, &astra, &["revoke", other_lease]).status.code(), Some(2), "it is forgotten");

    ask(folder, &astra, &["rollback"]);
    assert!(astra.violations().is_empty(), "{:#?}", astra.violations());
}
