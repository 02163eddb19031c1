//! Trust of the operator: pins, keys, a threshold, and no downgrade.

use harness::Verb;
use harness::modules::{ASTRA_VERSION, ModuleFile, SigningKey};
use harness::openbao::{MountSettings, OpenBaoDriver};
use serde_json::{Value, json};

use super::leases::next_version;
use super::{Toys, ask, full, good, reason, runs, server};

/// Signatures of two of three keys are needed.
pub(crate) fn two_of_three() -> ([SigningKey; 3], Vec<String>) {
    let keys = [SigningKey::generate(), SigningKey::generate(), SigningKey::generate()];
    let mut trust: Vec<String> = keys.iter().map(SigningKey::trust).collect();
    trust.push("--trust-threshold=toy=2".to_owned());
    (keys, trust)
}

#[test]
fn a_module_is_activated_with_enough_signatures_only() {
    let ([one, two, three], trust) = two_of_three();
    let stranger = SigningKey::generate();
    let toys = Toys::mount(server(), trust, |folder| folder.drop_in_signed(&good(30), &[&one, &two]));
    let refused = |file: &ModuleFile, keys: &[&SigningKey], version, words: &[&str]| {
        if keys.is_empty() {
            toys.folder.drop_in(file)
        } else {
            toys.folder.drop_in_signed(file, keys)
        }
        toys.wait_for_refusal(version, words);
        toys.assert_serves(30);
    };
    refused(&good(31), &[], 31, &["signature"]);
    refused(&good(32), &[&one], 32, &["2", "1"]);
    refused(&good(33), &[&one, &stranger], 33, &["not trusted"]);
    // The signature file of another module.
    toys.folder.put(&format!("{}.sig", good(34).name()), &toys.folder.signatures(&good(35), &[&one, &two]));
    refused(&good(34), &[], 34, &["its signature file is for toy 10.20.35"]);
    // Damaged, empty and foreign signature files.
    for (version, text) in [(37_u8, "{"), (38, ""), (39, "not json"), (40, r#"{"engine":"toy","version":"10.20.40"}"#)]
    {
        toys.folder.put(&format!("{}.sig", good(version).name()), text.as_bytes());
        refused(&good(version), &[], version, &["signature"]);
    }
    // One byte of the module changed after it was signed.
    toys.folder.drop_in_signed(&good(41), &[&one, &two]);
    toys.wait_for(41);
    let mut tampered = good(42);
    toys.folder.put(&format!("{}.sig", tampered.name()), &toys.folder.signatures(&tampered, &[&one, &two]));
    *tampered.wasm.last_mut().unwrap() ^= 1;
    toys.folder.drop_in(&tampered);
    toys.wait_for_refusal(42, &["signature"]);
    toys.assert_serves(41);

    toys.folder.drop_in_signed(&good(43), &[&three, &one]);
    toys.wait_for(43);
    let mut signers: Vec<_> =
        toys.status()["signers"].as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect();
    signers.sort();
    let mut expected = [one.public().to_owned(), three.public().to_owned()];
    expected.sort();
    assert_eq!(signers, expected);
}

/// Only its own keys replace the embedded engine, because a module reads the storage of its mount.
#[test]
fn a_key_of_one_engine_replaces_no_module_of_another() {
    let key = SigningKey::generate();
    let next = ModuleFile::astra(&next_version());
    let toys = Toys::mount(server(), vec![key.trust()], |folder| {
        folder.drop_in_signed(&good(30), &[&key]);
        folder.drop_in_signed(&next, &[&key]);
    });
    let mount_point = format!("{}-astra/", toys.name);
    let settings = MountSettings { mount_point, options: json!({}), ..toys.settings.clone() };
    let astra = OpenBaoDriver::mount_registered(server(), &settings);
    let status = ask(&astra, Verb::Read, "module", Value::Null).data;
    assert_eq!(runs(&status), ASTRA_VERSION);
    let why = reason(&status, &next.version);
    assert!(why.contains("no key is trusted for engine `astra`"), "{why}");
    let asked = ask(&astra, Verb::Write, "module/use", json!({ "version": next.version, "force": true }));
    asked.expect_error(400, &["no key is trusted for engine `astra`"]);
    assert_eq!(runs(&ask(&astra, Verb::Read, "module", Value::Null).data), ASTRA_VERSION);
}

/// The operator may have meant another engine.
#[test]
fn arguments_of_trust_that_name_no_engine_are_warned_of_at_the_start() {
    let key = SigningKey::generate();
    let unscoped = format!("--trust-key={}", key.public());
    let toys = Toys::mount(server(), vec![key.trust(), unscoped], |folder| folder.drop_in_signed(&good(30), &[&key]));
    toys.server.wait_for_line("the warning", |line| {
        ["--trust-key", "names no engine", "astra"].iter().all(|word| line.contains(word))
    });
}

/// Removing a stolen key from the registration is the only remedy.
#[test]
fn the_modules_of_a_removed_key_are_rejected() {
    let (kept, stolen) = (SigningKey::generate(), SigningKey::generate());
    let trust = vec![kept.trust(), stolen.trust()];
    let toys = Toys::mount(server(), trust, |folder| folder.drop_in_signed(&good(30), &[&kept]));
    toys.folder.drop_in_signed(&good(31), &[&stolen]);
    toys.wait_for(31);
    let without: Vec<String> =
        toys.settings.arguments.iter().filter(|argument| **argument != stolen.trust()).cloned().collect();
    toys.server.register(&toys.name, &without);
    toys.restart();
    toys.assert_serves(30);
    toys.wait_for_refusal(31, &["not trusted"]);
    toys.write("module/use", json!({ "version": full(31), "force": true })).expect_error(400, &["not trusted"]);
    toys.assert_serves(30);
}

#[test]
fn a_version_below_one_that_has_run_needs_a_pin() {
    let key = SigningKey::generate();
    let toys = Toys::mount(server(), vec![key.trust()], |folder| folder.drop_in_signed(&good(30), &[&key]));
    for version in [31, 32] {
        toys.folder.drop_in_signed(&good(version), &[&key]);
        toys.wait_for(version);
    }
    // 31 is the previous module; 30 is neither previous nor pinned.
    let down = toys.write("module/use", json!({ "version": full(30) }));
    down.expect_error(400, &[&full(32)]);
    toys.assert_serves(32);
    // The whole directory is set back: there is still no downgrade, and the module in memory continues to serve.
    toys.folder.remove(&good(32).name());
    toys.folder.remove(&good(31).name());
    toys.reload();
    toys.assert_serves(32);
    drop(toys);

    let (old, update) = (good(30), good(31));
    let pinned = Toys::pinned(server(), &[&update, &good(32)]);
    for module in [&update, &good(32)] {
        pinned.folder.drop_in(module);
        pinned.reload();
    }
    pinned.wait_for(32);
    pinned.write("module/use", json!({ "version": old.version }));
    pinned.assert_serves(30);
}

/// Without arguments about modules, only the embedded one runs.
#[test]
fn contradictions_between_arguments_fail_the_mount() {
    let server = server();
    let key = SigningKey::generate();
    let rows: [(&str, Vec<String>, &str); 4] = [
        ("keys-without-a-directory", vec![key.trust()], "modules-dir"),
        ("nobody-trusted", vec!["--modules-dir=/nowhere".to_owned()], "modules-dir"),
        (
            "threshold-out-of-reach",
            vec!["--modules-dir=/nowhere".to_owned(), key.trust(), "--trust-threshold=toy=2".to_owned()],
            "trust-threshold",
        ),
        ("no-sum", vec!["--modules-dir=/nowhere".to_owned(), "--module-sha256=abc".to_owned()], "abc"),
    ];
    for (name, arguments, word) in rows {
        server.register(name, &arguments);
        let enabled = server.client().call("POST", &format!("sys/mounts/{name}"), &json!({ "type": name }));
        assert!(enabled.status >= 400, "{name}: {enabled:?}");
        server.wait_for_line(name, |line| line.contains(word) && line.contains("ERROR"));
    }
}

#[test]
fn another_file_of_the_running_version_is_no_update() {
    let (update, other) = (good(31), ModuleFile { wasm: super::toy("traps", 31).wasm, ..good(31) });
    let toys = Toys::pinned(server(), &[&update, &other]);
    toys.folder.drop_in(&update);
    toys.wait_for(31);
    toys.folder.drop_in(&other);
    toys.wait_for_refusal(31, &["no update"]);
    assert_eq!(toys.status()["digest"], update.sha256());
    // The digest selects it.
    toys.must("module/use", json!({ "version": full(31), "digest": other.sha256() }));
    assert_eq!(toys.status()["digest"], other.sha256());
}
