//! `module inspect` and `module diff`, and how wrong usage is told.

use std::fs;

use serde_json::json;

use crate::program::{rogue, run};

#[test]
fn the_embedded_module_is_described() {
    let folder = tempfile::tempdir().unwrap();
    let inspected = run(folder.path(), &["module", "inspect", "embedded", "--format", "json"]).expect(0).json();
    assert_eq!(inspected["engine"], "astra");
    assert_eq!(inspected["usable"], true);
    assert_eq!(inspected["secret_kinds"], json!(["astra_token"]));
    let all = ["storage", "locks", "log", "metrics", "system-view", "entities", "clock", "random", "outbound-http"];
    assert_eq!(inspected["capabilities"], json!(all));
    let exports = [
        "secrets-engine:backend/backend@0.1.0",
        "secrets-engine:paths/existence@0.2.0",
        "secrets-engine:secrets/declaration@0.2.0",
    ];
    assert_eq!(inspected["exports"], json!(exports));
    assert_eq!(inspected["world"], "0.2.0");
    let sealed = inspected["sealed_secrets"].as_array().unwrap();
    assert_eq!(
        sealed[0],
        "admin-token: from `astra_token` of requests to `config`, `astra_token` of requests to `config/{org}`, \
         `astra_token` below `config/`, `configs.*.astra_token` below `retired-config/`; sent with `GET \
         /v2/clientIdSecrets`, `POST /v2/clientIdSecrets`, `DELETE /v2/clientIdSecrets/+`, `GET /v2/currentOrg`, `GET \
         /v2/organizations/roles`; shown on nothing; becomes nothing"
    );
    assert_eq!(sealed.len(), 6);
    assert_eq!(inspected["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn the_second_engine_asks_for_what_it_uses_only() {
    let folder = tempfile::tempdir().unwrap();
    let module = rogue("good").ancestors().nth(2).unwrap().join("http-passwords.wasm");
    let module = module.to_str().unwrap();
    let inspected = run(folder.path(), &["module", "inspect", module, "--format", "json"]).expect(0).json();
    let asked =
        ["storage", "locks", "log", "metrics", "system-view", "password-policies", "clock", "random", "outbound-http"];
    assert_eq!(inspected["capabilities"], json!(asked));
}

#[test]
fn a_wrong_file_is_described_by_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read(rogue("good")).unwrap();
    let rows: [(&str, &[u8], &str); 4] = [
        ("empty.wasm", b"", "it is empty"),
        ("core.wasm", b"\0asm\x01\0\0\0", "it is a core module"),
        ("cut.wasm", &good[..good.len() / 2], "it is cut off"),
        ("text.wasm", b"hello", "does not begin as WebAssembly does"),
    ];
    for (name, content, expected) in rows {
        fs::write(folder.path().join(name), content).unwrap();
        let text = run(folder.path(), &["module", "inspect", name]).expect(1).stdout;
        assert!(text.contains(expected) && text.contains(name) && text.contains("sha256"), "{text}");
        let json = run(folder.path(), &["module", "inspect", name, "--format=json"]).expect(1).json();
        assert_eq!((&json["usable"], json["problem"].is_string()), (&json!(false), true), "{json}");
    }
    run(folder.path(), &["module", "inspect", "missing.wasm"]).expect(1).says("missing.wasm");
}

#[test]
fn a_component_of_another_world_shows_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    // A component with nothing in it.
    fs::write(folder.path().join("other.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    let text = run(folder.path(), &["module", "inspect", "other.wasm"]).expect(1).stdout;
    assert!(text.contains("not of the world"), "{text}");
}

#[test]
fn a_module_that_is_too_large_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = fs::OpenOptions::new().write(true).create_new(true).open(folder.path().join("huge.wasm")).unwrap();
    file.set_len(33 * 1024 * 1024).unwrap();
    run(folder.path(), &["module", "inspect", "huge.wasm"]).expect(1).says("`huge.wasm` has more than 33554432 bytes");
}

#[test]
fn the_same_module_differs_in_nothing_and_another_engine_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = rogue("good").display().to_string();
    let same = run(folder.path(), &["module", "diff", &good, &good]).expect(0);
    assert!(same.stdout.contains("The same bytes."), "{}", same.stdout);
    let other = run(folder.path(), &["module", "diff", "embedded", &good, "--format=json"]).expect(0).json();
    let obstacles = other["obstacles"].to_string();
    for expected in ["`module/use` with `force` gives the storage to `good`", "has no OpenAPI document"] {
        assert!(obstacles.contains(expected), "no `{expected}` in {obstacles}");
    }
    assert!(other["capabilities_removed"].as_array().unwrap().contains(&json!("random")), "{other}");
    run(folder.path(), &["module", "diff", "embedded", "missing.wasm"]).expect(1).says("missing.wasm");
}

#[test]
fn a_diff_says_which_secrets_are_sealed_now_and_which_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let good = rogue("good").display().to_string();
    for (old, new, word) in [("embedded", good.as_str(), "no more"), (&good, "embedded", "new")] {
        let text = run(folder.path(), &["module", "diff", old, new]).expect(0).stdout;
        let (_, section) =
            text.split_once("\nSecrets that the host keeps from it:\n").unwrap_or_else(|| panic!("{text}"));
        let lines: Vec<_> = section.lines().take_while(|line| line.starts_with("  - ")).collect();
        assert_eq!(lines.len(), 6, "{section}");
        assert!(lines.iter().all(|line| line.starts_with(&format!("  - {word}: "))), "{section}");
        assert!(lines.iter().any(|line| line.contains("admin-token: from `astra_token`")), "{section}");
    }
}

#[test]
fn wrong_usage_is_64_and_says_how_it_is_right() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["module"][..], &["module", "inspect"], &["module", "burn", "x"], &["run"]] {
        run(folder.path(), arguments).expect(64).says("Usage");
    }
    // What started us without a command is a server, which logs one line.
    let served = run(folder.path(), &["--unknown"]).expect(64).says("[ERROR]");
    assert_eq!(served.stderr.lines().count(), 1, "{}", served.stderr);
}
