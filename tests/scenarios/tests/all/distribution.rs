//! The page docs/module-distribution.md: openssl signs and verifies modules, and a module travels through a registry into
//! the directory of a mount.

use std::fs;
use std::path::Path;
use std::process::Command;

use harness::modules::SigningKey;
use harness::openbao::ClientProgram;
use harness::{oras_python, plugin_binary, workspace_root};
use serde_json::Value;

use crate::authors::blocks;
use crate::modules::{Toys, good, server};
use crate::own_server::wait_for;
use crate::release::made::Release;
use crate::release::run;

/// The page is about another module; its commands are run on a toy.
#[test]
fn the_commands_of_openssl_sign_and_verify_a_module() {
    let page = fs::read_to_string(workspace_root().join("docs/module-distribution.md")).unwrap();
    let module = good(31);
    let page = page.replace("greeter", module.engine).replace("0.1.0", &module.version);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(module.name()), &module.wasm).unwrap();
    let script = format!("set -euo pipefail\n{}\ncat statement", blocks(&page, "sh").join("\n"));
    let mut author = Command::new("bash");
    author.args(["-c", &script]).current_dir(folder.path()).env("PLUGIN", plugin_binary());
    author.env("XDG_CACHE_HOME", workspace_root().join("target/tmp/user-cache"));
    let printed = String::from_utf8(run(&mut author).stdout).unwrap();
    for expected in blocks(&page, "text") {
        assert!(printed.contains(expected), "the page says that this is printed:\n{expected}\nbut it was:\n{printed}");
    }
    let signatures = fs::read_to_string(folder.path().join(format!("{}.sig", module.name()))).unwrap();
    let signatures: Value = serde_json::from_str(&signatures).unwrap();
    assert_eq!(signatures["signatures"].as_array().map(Vec::len), Some(2), "of the two keys of the page");
}

/// A registry of the test, with these layouts.
fn registry(layouts: &[String]) -> (ClientProgram, String) {
    let mut registry = ClientProgram::new();
    let script = workspace_root().join("tests/tools/oci-registry.py").display().to_string();
    registry.start("python3".as_ref(), &[&[script], layouts].concat());
    wait_for(&registry, "the registry", || registry.output().contains("READY "));
    let address = registry.output().trim().replace("READY ", "");
    (registry, address)
}

fn client(arguments: &[&str]) {
    let script = workspace_root().join("tests/scenarios/tests/all/distribution/client.py");
    let done = run(Command::new(oras_python()).arg(script).args(arguments));
    assert_eq!(String::from_utf8_lossy(&done.stdout).lines().last(), Some("done"));
}

fn fetched(address: &str, what: &str) -> Value {
    let fetched = run(Command::new("curl").args(["-sf", &format!("http://{address}/v2/{what}")]));
    serde_json::from_slice(&fetched.stdout).unwrap()
}

#[test]
fn a_module_goes_from_its_author_through_a_registry_to_a_mount() {
    let key = SigningKey::generate();
    let toys = Toys::mount(server(), vec![key.trust(), good(30).pin()], |folder| folder.drop_in(&good(30)));
    let (_registry, address) = registry(&[]);
    let module = good(31);

    // The author.
    let project = tempfile::tempdir().unwrap();
    let file = project.path().join(module.name());
    fs::write(&file, &module.wasm).unwrap();
    fs::write(project.path().join(format!("{}.sig", module.name())), toys.folder.signatures(&module, &[&key])).unwrap();
    let mut plugin = Command::new(plugin_binary());
    plugin
        .args(["module", "oci-config"])
        .arg(&file)
        .env("XDG_CACHE_HOME", workspace_root().join("target/tmp/user-cache"));
    let config = project.path().join("config.json");
    fs::write(&config, run(&mut plugin).stdout).unwrap();
    let [config, file] = [&config, &file].map(|path| path.display().to_string());
    client(&["push", &address, "engines/toy", &module.version, &config, &file]);

    // What `wkg` wants of an artifact: one layer, and these types.
    let manifest = fetched(&address, &format!("engines/toy/manifests/{}", module.version));
    assert_wasm_artifact(&manifest, &module.sha256());
    let config = fetched(&address, &format!("engines/toy/blobs/{}", manifest["config"]["digest"].as_str().unwrap()));
    assert_eq!(config["layerDigests"][0], manifest["layers"][0]["digest"]);
    assert_eq!((&config["os"], &config["architecture"]), (&"wasip2".into(), &"wasm".into()));
    let exports = config["component"]["exports"].as_array().unwrap();
    assert!(exports.contains(&"secrets-engine:backend/backend@0.1.0".into()), "{config}");

    // The operator.
    toys.assert_serves(30);
    client(&["pull", &address, "engines/toy", &module.version, &toys.folder.path().display().to_string()]);
    toys.wait_for(31);
}

fn assert_wasm_artifact(manifest: &Value, sha256: &str) {
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    let [layer] = manifest["layers"].as_array().unwrap().as_slice() else { panic!("not one layer: {manifest}") };
    assert_eq!(layer["mediaType"], "application/wasm");
    assert_eq!(layer["digest"], format!("sha256:{sha256}"));
}

/// A registry that changes a module, or serves the signatures of another one, changes nothing on the mount.
#[test]
fn what_a_registry_makes_up_does_not_run() {
    let key = SigningKey::generate();
    let toys = Toys::mount(server(), vec![key.trust(), good(30).pin()], |folder| folder.drop_in(&good(30)));
    let (_registry, address) = registry(&[]);
    let project = tempfile::tempdir().unwrap();
    let forged = good(32);
    let file = project.path().join(forged.name());
    fs::write(&file, [forged.wasm.as_slice(), b"\0\x05\x04more"].concat()).unwrap();
    fs::write(project.path().join(format!("{}.sig", forged.name())), toys.folder.signatures(&good(32), &[&key]))
        .unwrap();
    fs::write(project.path().join("config.json"), "{}").unwrap();
    let config = project.path().join("config.json").display().to_string();
    client(&["push", &address, "engines/toy", &forged.version, &config, &file.display().to_string()]);
    client(&["pull", &address, "engines/toy", &forged.version, &toys.folder.path().display().to_string()]);
    toys.wait_for_refusal(32, &["its signature file is for"]);
    toys.assert_serves(30);
}

/// The layout that `make dist` makes, as a client of a registry gets it.
#[test]
fn the_artifact_of_a_release_brings_its_module_and_its_signature() {
    let release = Release::made();
    let layout = release.folder().join(format!("astra-{}_oci.tar", release.version)).display().to_string();
    let (_registry, address) = registry(&[layout]);
    let folder = tempfile::tempdir().unwrap();
    let modules = folder.path().join("modules");
    fs::create_dir(&modules).unwrap();
    let tag = format!("v{}", release.version);
    client(&["pull", &address, "astra", &tag, &modules.display().to_string()]);
    let module = modules.join(release.module_name());
    let released = release.folder().join(release.module_name());
    assert_eq!(fs::read(&module).unwrap(), fs::read(released).unwrap());
    verify(release, &module);

    let manifest = fetched(&address, &format!("astra/manifests/{tag}"));
    assert_wasm_artifact(&manifest, &harness::sha256_hex(&fs::read(&module).unwrap()));
    let head = run(Command::new("curl").args(["-sfI", &format!("http://{address}/v2/astra/manifests/{tag}")]));
    let head = String::from_utf8(head.stdout).unwrap();
    let digest = head.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: ")).unwrap().trim();
    let referrers = fetched(&address, &format!("astra/referrers/{digest}"));
    let kinds: Vec<&Value> =
        referrers["manifests"].as_array().unwrap().iter().map(|referrer| &referrer["artifactType"]).collect();
    assert_eq!(kinds, ["application/vnd.secrets-engine.signatures.v1+json"]);
}

fn verify(release: &Release, module: &Path) {
    let trust = format!("--trust-key=astra={}", release.module_key);
    run(Command::new(plugin_binary()).args(["module", "verify", &trust]).arg(module));
}
