//! `run`: storage, answers, fields, leases.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use crate::program::{Run, rogue, run, run_with_stdin};

const ORG: &str = "e2a9dc58-0000-4000-8000-000000000001";

/// One request to the embedded module, with a storage file.
fn ask(folder: &Path, arguments: &[&str]) -> Run {
    run(folder, &[&["run", "--storage", "mount.redb"], arguments].concat())
}

#[test]
fn what_is_written_is_there_for_the_next_run_and_only_its_owner_reads_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("config/{ORG}");
    let token = "astra_token=AstraCS:clientclientclientclient:0123456789abcdef";
    let written = ask(folder.path(), &["write", &path, token, "verify=false", "logical_name=prod"]).expect(0);
    assert!(written.stdout.contains(&format!("Success! Data written to: {path}")), "{}", written.stdout);
    let read = ask(folder.path(), &["read", &path, "--format=json"]).expect(0).json();
    assert_eq!((&read["status"], &read["data"]["logical_name"]), (&json!(200), &json!("prod")), "{read}");
    let table = ask(folder.path(), &["read", &path]).expect(0).stdout;
    assert!(table.contains("logical_name") && table.contains("astra_token_client_id"), "{table}");
    assert!(!table.contains("secret"), "{table}");
    assert_eq!(ask(folder.path(), &["list", "configs"]).expect(0).stdout, format!("Keys\n----\n{ORG}\n"));
    let mode = fs::metadata(folder.path().join("mount.redb")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    ask(folder.path(), &["delete", &path]).expect(0);
    ask(folder.path(), &["read", &path]).expect(2).says("No value found at");
    ask(folder.path(), &["list", "configs"]).expect(2).says("status 404");
}

#[test]
fn an_error_of_the_module_is_told_with_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let refused = ask(folder.path(), &["write", "config", "org_id=x"]).expect(2);
    let refused = refused.says("status 400").says("missing `astra_token`");
    assert!(refused.stdout.is_empty(), "{}", refused.stdout);
    let json = ask(folder.path(), &["write", "config", "org_id=x", "--format=json"]).expect(2).json();
    assert_eq!(json["status"], 400);
    assert!(json["errors"][0].as_str().unwrap().contains("astra_token"), "{json}");
    ask(folder.path(), &["read", "no/such/path"]).expect(2).says("status 404").says("unsupported path");
    ask(folder.path(), &["delete", "info"]).expect(2).says("status 405");
}

#[test]
fn the_cause_of_a_trap_is_told_beside_what_a_client_would_see() {
    let folder = tempfile::tempdir().unwrap();
    let trap = rogue("trap").display().to_string();
    let failed = run(folder.path(), &["run", "--module", &trap, "read", "x"]).expect(2);
    failed.says("plugin component failed").says("unreachable");
    let spin = rogue("spin").display().to_string();
    run(folder.path(), &["run", "--module", &spin, "read", "x"]).expect(2).says("processor time");
}

#[test]
fn a_secret_in_a_wrong_place_is_told_with_what_is_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let engine = rogue("sealed_engine").display().to_string();
    let ask = |arguments: &[&str]| ask(folder.path(), &[&["--module", &engine], arguments].concat());
    let token = format!("token=id:client:{}", "0123456789abcdef".repeat(4));
    ask(&["write", "config", &token, "url=https://api.example.com"]).expect(0);
    let failed = ask(&["read", "data/from-request"]).expect(2);
    let failed = failed.says("a value of the class `admin-token` is in");
    failed.says("keeps these secrets from the module").says("`token` below `config/`");
    let json = ask(&["read", "see/from-request", "--format=json"]).expect(0).json();
    assert!(json["sealed_secrets"][0].as_str().unwrap().contains("sent with `POST /mint`"), "{json}");
}

#[test]
fn origins_are_as_closed_as_when_serving() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["write", "config", "org_id=x", "astra_token=AstraCS:a:0123456789abcdef", "url=https://elsewhere.example"];
    ask(folder.path(), &arguments).expect(2).says("not allowed").says("--allow-egress=astra=https://elsewhere.example");
}

#[test]
fn astras_own_hosts_are_closed_and_astra_is_read_only_where_arguments_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("config/{ORG}");
    let write = ["write", &path, "astra_token=AstraCS:clientclientclientclient:0123456789abcdef"];
    let closed = ["--no-default-egress", "verify=false"];
    ask(folder.path(), &[&write[..], &closed].concat())
        .expect(2)
        .says("status 400")
        .says("--allow-egress=astra=https://api.astra.datastax.com");
    ask(folder.path(), &[&write[..], &["--astra-read-only"]].concat())
        .expect(2)
        .says("status 503")
        .says("--astra-read-only")
        .says("verify=false");
    ask(folder.path(), &[&write[..], &["--astra-read-only", "verify=false"]].concat()).expect(0);
    let info = ask(folder.path(), &["read", "info", "--astra-read-only", "--format=json"]).expect(0).json();
    assert_eq!(info["data"]["astra_read_only"], true);
}

#[test]
fn fields_come_from_stdin_and_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "AstraCS:clientclientclientclient:0123456789abcdef").unwrap();
    let body = json!({"verify": false, "logical_name": "from-stdin"}).to_string();
    let path = format!("config/{ORG}");
    let arguments = ["run", "--storage", "mount.redb", "write", &path, "-", "astra_token=@token"];
    run_with_stdin(folder.path(), &arguments, &body).expect(0);
    let read = ask(folder.path(), &["read", &path, "--format=json"]).expect(0).json();
    assert_eq!(read["data"]["logical_name"], "from-stdin");
    run(folder.path(), &["run", "write", "config", "no-field"]).expect(64).says("`no-field` is no field");
}

#[test]
fn a_file_that_is_no_storage_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mount.redb");
    fs::write(&file, "my diary").unwrap();
    ask(folder.path(), &["read", "info"]).expect(1).says("`mount.redb` cannot hold a mount's storage");
    assert_eq!(fs::read_to_string(&file).unwrap(), "my diary");
}

#[test]
fn a_storage_file_is_used_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let open = redb::Database::create(folder.path().join("mount.redb")).unwrap();
    ask(folder.path(), &["read", "info"]).expect(1).says("another process has it open");
    drop(open);
    ask(folder.path(), &["read", "info"]).expect(0);
}

#[test]
fn help_is_the_modules_own() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), &["run", "help", "config"]).expect(0).stdout;
    assert!(help.contains("## PARAMETERS") && help.contains("astra_token"), "{help}");
    run(folder.path(), &["run", "rollback"]).expect(0).says("`--storage FILE` keeps it");
    assert!(run(folder.path(), &["run", "read", "info"]).expect(0).stderr.is_empty());
}

#[test]
fn leases_are_named_by_id_or_by_file_and_not_by_both() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lease.json"), r#"{"lease": 7}"#).unwrap();
    ask(folder.path(), &["renew"]).expect(64).says("name the lease");
    ask(folder.path(), &["renew", "an/id", "--lease", "lease.json"]).expect(64).says("name the lease");
    ask(folder.path(), &["renew", "an/id", "x=y"]).expect(64).says("--increment");
    ask(folder.path(), &["read", "info", "--lease", "lease.json"]).expect(64).says("renew and revoke");
    ask(folder.path(), &["revoke", "--lease", "lease.json"]).expect(1).says("`lease.json` holds no lease");
    ask(folder.path(), &["revoke", "an/id"]).expect(2).says("lease not found");
}
