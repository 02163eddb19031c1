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

/// Runs openssl in a folder; returns its output.
#[expect(clippy::disallowed_types, reason = "another program checks what this one signs")]
fn openssl(folder: &Path, arguments: &[&str]) -> String {
    let done = std::process::Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(done.status.success(), "{arguments:?}: {}{}", printed(&done.stdout), printed(&done.stderr));
    printed(&done.stdout)
}

#[test]
fn what_openssl_signs_with_a_key_that_stays_with_openssl_verifies() {
    let folder = tempfile::tempdir().unwrap();
    place_module(folder.path());
    openssl(folder.path(), &["genpkey", "-algorithm", "ed25519", "-out", "key.pem"]);
    openssl(folder.path(), &["pkey", "-in", "key.pem", "-pubout", "-out", "key.pub.pem"]);
    let statement = run(folder.path(), &["module", "statement", MODULE]).expect(0).stdout;
    assert!(statement.starts_with("secrets-engine module v1\nengine=good\nversion=0.0.0\nsha256="), "{statement}");
    fs::write(folder.path().join("statement"), statement).unwrap();
    let raw = ["pkeyutl", "-sign", "-inkey", "key.pem", "-rawin", "-in", "statement", "-out", "raw"];
    openssl(folder.path(), &raw);
    openssl(folder.path(), &["base64", "-in", "raw", "-out", "text"]);
    let verify = || run(folder.path(), &["module", "verify", MODULE, "--key=key.pub.pem"]);
    for form in ["raw", "text"] {
        let signature = folder.path().join(format!("{MODULE}.sig"));
        let _ = fs::remove_file(&signature);
        verify().expect(1);
        let sign = ["module", "sign", "--signature", form, "--public-key=key.pub.pem", MODULE];
        run(folder.path(), &sign).expect(0);
        verify().expect(0);
    }
    // The key as a registration takes it, and beside a signature of `module sign`.
    let key = run(folder.path(), &["module", "public-key", "key.pub.pem"]).expect(0).stdout;
    let a = new_key(folder.path(), "a.pem");
    run(folder.path(), &["module", "sign", "--key=a.pem", MODULE]).expect(0);
    let [key, a] = [key.trim(), a.as_str()].map(|key| format!("--trust-key=good={key}"));
    run(folder.path(), &["module", "verify", MODULE, &key, &a, "--trust-threshold=good=2"]).expect(0);
}

#[test]
fn a_key_of_openssl_signs_modules_and_openssl_verifies_what_a_key_of_keygen_signed() {
    let folder = tempfile::tempdir().unwrap();
    place_module(folder.path());
    openssl(folder.path(), &["genpkey", "-algorithm", "ed25519", "-out", "openssl.pem"]);
    new_key(folder.path(), "keygen.pem");
    for key in ["openssl.pem", "keygen.pem"] {
        let key = format!("--key={key}");
        let signed = run(folder.path(), &["module", "sign", &key, MODULE, "--format=json"]).expect(0).json();
        run(folder.path(), &["module", "verify", &key, MODULE]).expect(0);
        let public = signed["public_key"].as_str().unwrap();
        let pem = run(folder.path(), &["module", "public-key", "--pem", public]).expect(0).stdout;
        fs::write(folder.path().join("public.pem"), pem).unwrap();
        let statement = run(folder.path(), &["module", "statement", MODULE]).expect(0).stdout;
        fs::write(folder.path().join("statement"), statement).unwrap();
        let file = fs::read_to_string(folder.path().join(format!("{MODULE}.sig"))).unwrap();
        let file: serde_json::Value = serde_json::from_str(&file).unwrap();
        let signatures = file["signatures"].as_array().unwrap();
        let signature = signatures.iter().find(|one| one["key"] == public).unwrap()["signature"].as_str().unwrap();
        fs::write(folder.path().join("base64"), format!("{signature}\n")).unwrap();
        openssl(folder.path(), &["base64", "-d", "-A", "-in", "base64", "-out", "raw"]);
        let verify =
            ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", "statement", "-sigfile", "raw"];
        let verified = openssl(folder.path(), &verify);
        assert!(verified.contains("Signature Verified Successfully"), "{verified}");
    }
}

#[test]
fn a_signature_of_something_else_or_in_another_form_is_not_added() {
    let folder = tempfile::tempdir().unwrap();
    place_module(folder.path());
    let key = new_key(folder.path(), "a.pem");
    fs::write(folder.path().join("wrong"), [7; 64]).unwrap();
    fs::write(folder.path().join("short"), [7; 63]).unwrap();
    fs::write(folder.path().join("elliptic.pem"), "-----BEGIN PUBLIC KEY-----\nMFkwEwYH\n-----END PUBLIC KEY-----\n")
        .unwrap();
    let sign = |signature: &str, key: &str| {
        let signature = format!("--signature={signature}");
        run(folder.path(), &["module", "sign", &signature, &format!("--public-key={key}"), MODULE])
    };
    sign("wrong", &key).expect(1).says("sign what `module statement` prints");
    sign("short", &key).expect(1).says("`short` is no ed25519 signature");
    sign("wrong", "elliptic.pem").expect(1).says("`elliptic.pem`: not a public key");
    assert!(!folder.path().join(format!("{MODULE}.sig")).exists());
    run(folder.path(), &["module", "sign", "--signature=wrong", MODULE]).expect(64).says("--public-key");
    run(folder.path(), &["module", "sign", MODULE]).expect(64).says("--key");
}

#[test]
fn the_config_of_an_artifact_names_the_bytes_and_the_interfaces() {
    let folder = tempfile::tempdir().unwrap();
    place_module(folder.path());
    let inspected = run(folder.path(), &["module", "inspect", MODULE, "--format=json"]).expect(0).json();
    let config = run(folder.path(), &["module", "oci-config", MODULE]).expect(0).json();
    assert_eq!(config["layerDigests"], json!([format!("sha256:{}", inspected["sha256"].as_str().unwrap())]));
    let component = json!({ "exports": inspected["exports"], "imports": inspected["imports"], "target": null });
    assert_eq!(config["component"], component);
    assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
    let created = config["created"].as_str().unwrap();
    assert!(created.len() == 20 && created.ends_with('Z'), "{created}");
    fs::write(folder.path().join("no.wasm"), "text").unwrap();
    run(folder.path(), &["module", "oci-config", "no.wasm"]).expect(1).says("`no.wasm`");
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
