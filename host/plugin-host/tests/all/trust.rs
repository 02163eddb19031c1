//! `module keygen`, `sign` and `verify`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;

use crate::program::{rogue, run};

/// `good-0.0.0.wasm`, as it calls itself.
const MODULE: &str = "good-0.0.0.wasm";

fn place_module(folder: &Path) {
    fs::copy(rogue("good"), folder.join(MODULE)).unwrap();
}

fn new_key(folder: &Path, file: &str) -> String {
    run(folder, &["module", "keygen", "--out", file]).expect(0).stdout.trim().to_owned()
}

#[test]
fn a_key_is_its_owners_only_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let public = new_key(folder.path(), "a.pem");
    assert!(public.starts_with("ed25519:"), "{public}");
    let file = folder.path().join("a.pem");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&file).unwrap();
    run(folder.path(), &["module", "keygen", "--out", "a.pem"]).expect(1).says("`a.pem` exists");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn what_enough_trusted_keys_signed_verifies_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    place_module(folder.path());
    let (a, b, c) = (new_key(folder.path(), "a.pem"), new_key(folder.path(), "b.pem"), new_key(folder.path(), "c.pem"));
    let [a, b, c] = [a, b, c].map(|key| format!("good={key}"));
    let verify = |arguments: &[&str]| run(folder.path(), &[&["module", "verify", MODULE], arguments].concat());

    verify(&["--trust-key", &a]).expect(1);
    run(folder.path(), &["module", "sign", "--key", "a.pem", MODULE]).expect(0);
    verify(&["--trust-key", &a]).expect(0);
    verify(&["--trust-key", &b]).expect(1);
    verify(&["--trust-key", &a, "--trust-key", &b, "--trust-threshold=good=2"]).expect(1);
    // A second signature is added to the first, the same one again is not counted twice.
    run(folder.path(), &["module", "sign", "--key", "a.pem", MODULE]).expect(0);
    let signed = run(folder.path(), &["module", "sign", "--key", "b.pem", MODULE, "--format=json"]).expect(0).json();
    assert_eq!(signed["signed"][0]["signatures"], 2);
    let two =
        verify(&["--trust-key", &a, "--trust-key", &b, "--trust-threshold=good=2", "--format=json"]).expect(0).json();
    assert_eq!((&two["approved"], two["signers"].as_array().map(Vec::len)), (&json!(true), Some(2)), "{two}");
    verify(&["--trust-key", &a, "--trust-key", &c, "--trust-threshold=good=2"]).expect(1);

    // Other bytes under the same signatures.
    let mut wasm = fs::read(folder.path().join(MODULE)).unwrap();
    wasm.extend(b"\0\x05\x04test");
    fs::write(folder.path().join(MODULE), wasm).unwrap();
    let stale = verify(&["--trust-key", &a]).expect(1).stdout;
    assert!(stale.contains("may not run"), "{stale}");
    // Signing again begins anew: the old signatures say nothing of these bytes.
    let signed = run(folder.path(), &["module", "sign", "--key", "a.pem", MODULE, "--format=json"]).expect(0).json();
    assert_eq!(signed["signed"][0]["signatures"], 1);
    verify(&["--trust-key", &a]).expect(0);
}

#[test]
fn a_pinned_digest_needs_no_signature() {
    let folder = tempfile::tempdir().unwrap();
    place_module(folder.path());
    let inspected = run(folder.path(), &["module", "inspect", MODULE, "--format=json"]).expect(0).json();
    let pin = format!("good={}", inspected["sha256"].as_str().unwrap());
    run(folder.path(), &["module", "verify", MODULE, "--module-sha256", &pin]).expect(0);
    run(folder.path(), &["module", "verify", MODULE, "--module-sha256", &format!("good={}", "0".repeat(64))]).expect(1);
}

#[test]
fn a_key_without_an_engine_is_trusted_for_the_engine_of_this_program_only() {
    let folder = tempfile::tempdir().unwrap();
    place_module(folder.path());
    let key = new_key(folder.path(), "a.pem");
    run(folder.path(), &["module", "sign", "--key", "a.pem", MODULE]).expect(0);
    let refused = run(folder.path(), &["module", "verify", MODULE, "--trust-key", &key]).expect(1).stdout;
    assert!(refused.contains("no key is trusted for engine `good`"), "{refused}");
}

#[test]
fn a_module_is_signed_under_its_own_name_only() {
    let folder = tempfile::tempdir().unwrap();
    new_key(folder.path(), "a.pem");
    for (name, expected) in
        [("good-0.0.1.wasm", "must be named `good-0.0.0.wasm`"), ("good.wasm", "<engine>-<version>.wasm")]
    {
        fs::copy(rogue("good"), folder.path().join(name)).unwrap();
        run(folder.path(), &["module", "sign", "--key", "a.pem", name]).expect(1).says(expected);
        assert!(!folder.path().join(format!("{name}.sig")).exists());
    }
}

#[test]
fn keys_and_signatures_that_are_none_are_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    place_module(folder.path());
    new_key(folder.path(), "a.pem");
    fs::write(folder.path().join("no.pem"), "hunter2").unwrap();
    let wrong = run(folder.path(), &["module", "sign", "--key", "no.pem", MODULE]).expect(1).says("no.pem");
    assert!(!wrong.stderr.contains("hunter2"), "{}", wrong.stderr);
    let signature = folder.path().join(format!("{MODULE}.sig"));
    fs::write(&signature, "mine").unwrap();
    run(folder.path(), &["module", "sign", "--key", "a.pem", MODULE]).expect(1).says(".sig");
    assert_eq!(fs::read_to_string(&signature).unwrap(), "mine");
}

#[test]
fn contradictions_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    place_module(folder.path());
    let key = format!("good={}", new_key(folder.path(), "a.pem"));
    run(folder.path(), &["module", "verify", MODULE]).expect(64).says("--trust-key");
    run(folder.path(), &["module", "verify", MODULE, "--trust-key", "ed25519:short"]).expect(64).says("ed25519:short");
    let two_of_one = ["module", "verify", MODULE, "--trust-key", &key, "--trust-threshold=good=2"];
    run(folder.path(), &two_of_one).expect(64).says("threshold of 2");
}
