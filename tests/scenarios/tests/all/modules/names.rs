//! The name of a module: its file, its signatures and its description must agree.

use harness::Verb;
use harness::modules::{ASTRA_VERSION, ModuleFile, SigningKey};
use harness::openbao::{MountSettings, OpenBaoDriver};
use serde_json::{Value, json};

use super::trust::two_of_three;
use super::{Toys, ask, full, good, reason, server};

/// A file with the name of the toy in the version of its row, and its signatures.
struct Named {
    what: &'static str,
    wasm: Vec<u8>,
    /// Engine and version in the signed statement.
    signed: (&'static str, String),
    /// A field of the signature file that differs from the signed statement.
    claimed: Option<(&'static str, String)>,
    reason: &'static str,
}

fn rows() -> [Named; 7] {
    let toy = |version| ("toy", full(version));
    let row = |what, wasm, signed, reason| Named { what, wasm, signed, claimed: None, reason };
    let claims = |field, value: String, row: Named| Named { claimed: Some((field, value)), ..row };
    let wasm = |version| good(version).wasm;
    let astra = ModuleFile::astra(ASTRA_VERSION).wasm;
    [
        row("another version inside", wasm(90), toy(31), "it describes itself as toy 10.20.90"),
        row("another engine inside", astra, toy(32), "it describes itself as astra"),
        row("signed as another version", wasm(33), toy(90), "its signature file is for toy 10.20.90"),
        row("signed as another engine", wasm(34), ("astra", full(34)), "its signature file is for astra 10.20.34"),
        claims(
            "version",
            full(90),
            row("said to be signed as another version", wasm(35), toy(35), "its signature file is for toy 10.20.90"),
        ),
        claims("version", full(36), row("signed as another version, which it hides", wasm(36), toy(90), "is wrong")),
        claims(
            "sha256",
            good(90).sha256(),
            row("said to be signed for other bytes", wasm(37), toy(37), "its signature file is for toy 10.20.37"),
        ),
    ]
}

impl Named {
    fn signatures(&self, keys: &[&SigningKey]) -> Vec<u8> {
        let (engine, version) = &self.signed;
        let signatures = SigningKey::signatures_as(engine, version, &self.wasm, keys);
        let Some((field, value)) = &self.claimed else { return signatures };
        let mut file: Value = serde_json::from_slice(&signatures).unwrap();
        file[field] = json!(value);
        file.to_string().into_bytes()
    }
}

#[test]
fn a_module_is_what_its_file_its_signatures_and_itself_say() {
    let ([one, two, _], trust) = two_of_three();
    let keys = [&one, &two];
    let toys = Toys::mount(server(), trust, |folder| folder.drop_in_signed(&good(30), &keys));
    for (row, version) in rows().into_iter().zip(31_u8..) {
        let _note = harness::Note::new(row.what);
        toys.folder.put(&format!("{}.sig", good(version).name()), &row.signatures(&keys));
        toys.folder.put(&good(version).name(), &row.wasm);
        toys.wait_for_refusal(version, &[row.reason]);
        toys.write("module/use", json!({ "version": full(version) })).expect_error(400, &[row.reason]);
        toys.assert_serves(30);
    }
    toys.folder.drop_in_signed(&good(39), &keys);
    toys.wait_for(39);
}

/// The highest version of all, signed with the name of its file, is still a toy.
#[test]
fn a_toy_that_is_named_as_the_astra_engine_does_not_take_its_place() {
    let key = SigningKey::generate();
    let toys = Toys::mount(server(), vec![key.trust(), key.trust_for("astra")], |folder| {
        folder.drop_in_signed(&good(30), &[&key]);
        folder.put("astra-99.0.0.wasm.sig", &SigningKey::signatures_as("astra", "99.0.0", &good(30).wasm, &[&key]));
        folder.put("astra-99.0.0.wasm", &good(30).wasm);
    });
    let mount_point = format!("{}-astra/", toys.name);
    let settings = MountSettings { mount_point, options: json!({}), ..toys.settings.clone() };
    let astra = OpenBaoDriver::mount_registered(server(), &settings);
    let serving = || ask(&astra, Verb::Read, "info", Value::Null).expect(200).text("version").to_owned();
    assert_eq!(serving(), ASTRA_VERSION);
    let status = ask(&astra, Verb::Read, "module", Value::Null).data;
    let why = reason(&status, "99.0.0");
    assert!(why.contains("it describes itself as toy 10.20.30"), "{why}");
    ask(&astra, Verb::Write, "module/use", json!({ "version": "99.0.0" })).expect_error(400, &["toy 10.20.30"]);
    assert_eq!(serving(), ASTRA_VERSION);
}
