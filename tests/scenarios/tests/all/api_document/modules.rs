//! The paths that the host serves below each mount, whatever the engine.

use std::sync::Arc;

use harness::modules::{ModuleFile, ModulesDir, SigningKey};
use harness::openbao::{MountSettings, OpenBaoDriver};
use harness::{Stage, StageOptions, Verb, arguments, start_astra};
use serde_json::{Value, json};

use super::exchanges::{Exchange, Recorder};
use super::page::{self, PathPage};
use crate::modules::leases::next_version;
use crate::modules::server;

/// Head of this part of the page.
pub(super) const HEAD: &str = "
The plugin itself serves these paths, whatever engine runs: see
[Modules](operations.md#modules-update-without-a-restart). They exist in every mount. If the registration names no directory of modules
(`--modules-dir`), `module` describes the embedded module, and `module/reload`, `module/use` and `module/rollback` answer a 400 whose text
begins with `there is only the embedded module`.

";

/// The host's paths, from the help of each.
pub(super) fn pages(stage: &Stage) -> Vec<PathPage> {
    let paths = ["metrics", "module", "module/reload", "module/rollback", "module/use"];
    paths.iter().flat_map(|path| page::of_document(stage, &stage.help(path).expect(200).data["openapi"])).collect()
}

/// Runs `act` with a mount of the Astra engine that has a directory of modules.
pub(super) fn with_directory(act: impl FnOnce(&Stage, Vec<Exchange>)) {
    let (folder, key, options) = (ModulesDir::new(), SigningKey::generate(), StageOptions::default());
    let astra = start_astra(&options);
    let settings = MountSettings {
        plugin: "astra-api".to_owned(),
        mount_point: "astra-api/".to_owned(),
        arguments: [arguments(&options, Some(astra.url().to_owned())), vec![folder.argument(), key.trust_for("astra")]]
            .concat(),
        ..MountSettings::default()
    };
    let stage = Stage::with_driver(Arc::new(OpenBaoDriver::mount(server(), &settings)), astra);
    let exchanges = exchanges(&stage, &folder, &key);
    act(&stage, exchanges);
    stage.finish();
}

fn exchanges(stage: &Stage, folder: &ModulesDir, key: &SigningKey) -> Vec<Exchange> {
    let next = ModuleFile::astra(&next_version());
    let embedded = stage.read("module", Value::Null).expect(200).text("digest").to_owned();
    let words = vec![
        (next.sha256(), format!("<SHA-256 of {}>", next.name())),
        (embedded, "<SHA-256 of the embedded module>".to_owned()),
        (key.public().to_owned(), "ed25519:<public key>".to_owned()),
    ];
    let mut recorder = Recorder::new(stage, words);
    recorder.shows("metrics", "Read the metrics (here four of them)", Verb::Read, "metrics", Value::Null);
    let stable = [
        "secrets_engine_module_problem",
        "secrets_engine_engine_metrics",
        "astra_organizations",
        "astra_upstream_read_only",
    ];
    recorder.shorten_metrics(&stable);
    recorder.fails("metrics", "ask for another form", 400, Verb::Read, "metrics", json!({ "format": "xml" }));
    let nowhere = "go back before another module served";
    recorder.fails("module/rollback", nowhere, 400, Verb::Write, "module/rollback", json!({}));
    let version = json!({ "version": next.version });
    let absent = "name a version that does not exist";
    recorder.fails("module/use", absent, 400, Verb::Write, "module/use", version.clone());
    recorder.fails("module/use", "name no version and no digest", 400, Verb::Write, "module/use", json!({}));

    folder.drop_in_signed(&next, &[key]);
    server().wait_for("the next version", || stage.read("module", Value::Null).text("version") == next.version);
    // After this, the reasons of the other modules come from the reconcile pass that activated nothing.
    recorder.shows("module/reload", "Read the directory of modules now", Verb::Write, "module/reload", json!({}));
    recorder.shows("module", "Read which module serves", Verb::Read, "module", Value::Null);
    recorder.shows("module/use", "Stay at a version", Verb::Write, "module/use", version);
    let latest = json!({ "version": "latest" });
    recorder.shows("module/use", "Follow the highest version again", Verb::Write, "module/use", latest);
    let title = "Revert to the previous module";
    recorder.shows("module/rollback", title, Verb::Write, "module/rollback", json!({}));
    recorder.exchanges
}
