//! Runs the steps of docs/engine-authors.md as they stand there, and tests the template with which they begin.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use harness::openbao::{ClientProgram, Server};
use harness::{openbao_binary, plugin_binary, workspace_root};
use serde_json::Value;
use wit_component::DecodedWasm;

/// Time to build the template for its tests and as a component, on a machine that is busy with other tests.
const STEPS_LONGEST: Duration = Duration::from_secs(900);

const LAST_WORDS: &str = "all steps are done";

#[test]
fn an_author_gets_from_an_empty_folder_to_an_engine() {
    let page = fs::read_to_string(workspace_root().join("docs/engine-authors.md")).unwrap();
    let server = Server::shared();
    let mut author = ClientProgram::new();
    let script = format!("{}{}\necho {LAST_WORDS}\n", surroundings(&server), blocks(&page, "sh").join("\n"));
    let script = author.write("steps.sh", &script);
    author.start(Path::new("/bin/bash"), &[script.display().to_string()]);
    assert!(author.ends_within(STEPS_LONGEST), "the steps take too long:\n{}", author.output());
    let printed = author.output();
    assert!(printed.trim_end().ends_with(LAST_WORDS), "a step failed:\n{printed}");
    for expected in blocks(&page, "text") {
        assert!(printed.contains(expected), "the page says that this is printed:\n{expected}\nbut it was:\n{printed}");
    }
    // The folder of modules ends with this test.
    server.client().must("DELETE", "sys/mounts/greeter", &Value::Null);
    let imports = imports(&author.path("greeter/greeter-0.1.0.wasm"));
    assert!(imports.contains("secrets-engine:host/storage@0.1.0"), "{imports:?}");
    // An operator must allow each import of a module; this one imports no HTTP.
    assert!(!imports.iter().any(|import| import.starts_with("wasi:http/")), "{imports:?}");
}

fn imports(component: &Path) -> BTreeSet<String> {
    let wasm = fs::read(component).unwrap();
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&wasm).unwrap() else {
        panic!("{} is no component", component.display())
    };
    resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect()
}

/// The conditions that the page assumes. The toolchain is in the home folder, to which the program has no access; the
/// build of an earlier run is kept.
fn surroundings(server: &Server) -> String {
    let home = env::var("HOME").unwrap_or_default();
    let from_env = |name: &str, otherwise: String| env::var(name).unwrap_or(otherwise);
    let root = workspace_root();
    let variables = [
        ("CARGO_HOME", from_env("CARGO_HOME", format!("{home}/.cargo"))),
        ("RUSTUP_HOME", from_env("RUSTUP_HOME", format!("{home}/.rustup"))),
        ("CARGO_TARGET_DIR", from_env("CARGO_TARGET_DIR", root.join("target").display().to_string())),
        ("REPO", root.display().to_string()),
        ("PLUGIN", plugin_binary().display().to_string()),
        ("BAO_ADDR", server.address().to_owned()),
        ("BAO_TOKEN", server.root_token()),
        ("VAULT_ADDR", server.address().to_owned()),
        ("VAULT_TOKEN", server.root_token()),
        ("BAO", openbao_binary().display().to_string()),
    ];
    let lines = variables.map(|(name, value)| format!("export {name}='{value}'\n"));
    format!("set -euo pipefail\n{}bao() {{ \"$BAO\" \"$@\"; }}\n", lines.concat())
}

/// The fenced blocks of a language.
pub(crate) fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fenced = page.split("\n```").skip(1).step_by(2);
    let found: Vec<&str> = fenced.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect();
    assert!(language != "sh" || !found.is_empty(), "the page has no commands");
    found
}

/// Otherwise the template would be tested with other code than ours, and `cargo` would have to fetch it.
#[test]
fn the_template_is_built_from_the_versions_that_we_use() {
    let ours = locked("Cargo.lock");
    let foreign: Vec<String> = locked("guest/template/Cargo.lock").difference(&ours).cloned().collect();
    assert!(
        foreign.is_empty(),
        "guest/template/Cargo.lock differs from ours: copy Cargo.lock there and run `cargo metadata` in that folder, \
         which takes out what it does not need: {foreign:#?}"
    );
}

/// The external packages of a lock file.
fn locked(file: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(workspace_root().join(file)).unwrap();
    let outside = |package: &&str| package.contains("\nchecksum = ");
    let head = |package: &str| package.split("\ndependencies = ").next().unwrap_or_default().trim().to_owned();
    let packages: BTreeSet<String> = text.split("[[package]]").filter(outside).map(head).collect();
    assert!(packages.len() > 10, "{file} has no packages");
    packages
}
