//! A module with a signature by a stolen key is activated, and gets no secret.

use harness::Stage;
use harness::modules::{ASTRA_VERSION, ModuleFile, ModulesDir, SigningKey};
use serde_json::{Value, json};

use super::{Toys, astra, good, reason, runs, server, toy};

/// A mount of the Astra engine that trusts a stolen key.
struct Robbed {
    stage: Stage,
    folder: ModulesDir,
    lost: SigningKey,
}

impl Robbed {
    fn new(name: &str) -> Self {
        let (folder, lost) = (ModulesDir::new(), SigningKey::generate());
        let stage = astra(name, &folder, &lost);
        Self { stage, folder, lost }
    }

    fn status(&self) -> Value {
        self.stage.read("module", Value::Null).expect(200).data
    }

    /// Adds the real engine with one of its texts replaced, under a later version.
    fn drop_in(&self, steps: usize, part: &str, other: &str) -> String {
        let (front, last) = ASTRA_VERSION.split_at(ASTRA_VERSION.len() - 1);
        let version = format!("{front}{}", last.parse::<usize>().unwrap() + steps);
        let thief = ModuleFile::astra(&version).with(part, other);
        self.folder.drop_in_signed(&thief, &[&self.lost]);
        version
    }

    fn wait_for(&self, version: &str) {
        server().wait_for("the module", || runs(&self.status()) == version);
    }

    /// The requests to Astra, as texts.
    fn asked(&self) -> Vec<String> {
        self.stage.astra.requests().iter().map(|request| format!("{request:?}")).collect()
    }
}

#[test]
fn a_module_with_a_stolen_signature_is_activated_and_gets_no_secret() {
    let robbed = Robbed::new("astra-robbed");
    let stage = &robbed.stage;
    let thefts = [
        // The admin token in a header of the thief's own.
        ("authorization", "x-stolentoken", "is in a header of a request"),
        // The admin token with another prefix, which a server of the thief would know.
        ("Bearer ", "Stolen ", "in the `authorization` header of a request, with other text"),
    ];
    for (steps, (part, other, told)) in (1..).zip(thefts) {
        let version = robbed.drop_in(steps, part, other);
        robbed.wait_for(&version);
        let before = robbed.asked().len();
        let failed = stage.mint(&stage.alpha, "reader");
        failed.expect_error(500, &["request ID"]);
        server().wait_for_line(told, |line| line.contains("a value of the class `admin-token`") && line.contains(told));
        let asked = robbed.asked();
        assert!(!asked[before..].iter().any(|request| request.contains(other)), "{other} was sent");
        // The module fails its trial, and the previous one serves again.
        server().wait_for("the module before", || {
            let _ = stage.mint(&stage.alpha, "reader");
            runs(&robbed.status()) == ASTRA_VERSION
        });
        stage.mint(&stage.alpha, "reader").expect(200);
    }
}

#[test]
fn a_new_exit_for_secrets_must_be_accepted_exactly() {
    let robbed = Robbed::new("astra-widened");
    let stage = &robbed.stage;
    let sealed = robbed.status()["sealed_secrets"].to_string();
    assert!(
        sealed.contains("`astra_token` below `config/`") && sealed.contains("GET /v2/organizations/roles"),
        "{sealed}"
    );
    // The engine declares its call.
    let version = robbed.drop_in(1, "/v2/organizations/roles", "/v2/organizations/rules");
    let word = "secret:astra_token:send:GET:/v2/organizations/rules";
    server().wait_for("the reason", || reason(&robbed.status(), &version).contains(word));
    assert_eq!(runs(&robbed.status()), ASTRA_VERSION);
    let asked_for = || robbed.asked().iter().any(|request| request.contains("organizations/rules"));
    let accepted = |words: &[&str]| json!({ "version": version, "accept_capabilities": words });
    stage.write("module/use", accepted(&[])).expect_error(400, &[word]);
    assert!(!asked_for());
    let done = stage.write("module/use", accepted(&[word]));
    assert!(done.status < 300, "{done:#?}");
    robbed.wait_for(&version);
    // Astra has no such call; the request shows that the operator's acceptance counts.
    let _ = stage.write(&format!("config/{}/sync-roles", stage.alpha.id), json!({}));
    assert!(asked_for(), "{:#?}", robbed.asked());
    assert!(robbed.status()["sealed_secrets"].to_string().contains("organizations/rules"));
}

/// The second engine, whose declaration has only a few lines.
#[test]
fn a_declared_secret_stays_sealed_for_every_later_module() {
    let (seals, later) = (toy("seals", 31), good(32));
    let toys = Toys::pinned(server(), &[&seals, &later]);
    toys.folder.drop_in(&seals);
    toys.wait_for(31);
    assert!(toys.status()["sealed_secrets"].to_string().contains("`password` below `secret/`"));
    let password = "correct-horse-battery-staple";
    toys.must("key/secret/a", json!({ "password": password }));
    assert_eq!(toys.read("show/a").expect(200).text("password"), password);
    toys.read("key/secret/a").expect_error(500, &["request ID"]);
    toys.write("key/secret/b", json!({ "password": "short" })).expect_error(400, &["`password`", "fewer than 16"]);
    // A module without a declaration, and the older one that never had one.
    toys.folder.drop_in(&later);
    toys.wait_for(32);
    for _ in 0..2 {
        toys.read("key/secret/a").expect_error(500, &["request ID"]);
        assert_eq!(toys.read("show/a").expect(200).text("password"), password);
        toys.restart();
    }
    assert!(toys.status()["sealed_secrets"].to_string().contains("`password` below `secret/`"));
}
