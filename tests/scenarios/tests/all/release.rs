//! The files of a release, made from the plugin under test by the scripts of `make dist`, and used by a person without
//! Rust.

mod declarative;
pub(crate) mod made;
mod pipelines;
mod tutorial;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use harness::{openbao_binary, sha256_hex, workspace_root};
use serde_json::Value;

use made::{PLUGIN, Release};

/// Runs a program to its end; if it fails, the panic has its output.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

#[test]
fn the_scripts_of_a_release_pass_their_own_tests() {
    let tests = ["-m", "unittest", "discover", "-s", "tests/tools/release/tests"];
    let output = run(Command::new("python3").args(tests).current_dir(workspace_root()));
    let summary = String::from_utf8_lossy(&output.stderr);
    assert!(summary.contains("\nRan ") && !summary.contains("Ran 0 tests"), "{summary}");
}

#[test]
fn an_archive_holds_the_plugin_with_its_papers_and_no_simulator() {
    let release = Release::made();
    let folder = release.unpacked("");
    let mut names: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let papers = ["CHANGELOG.md", "LICENSE", "NOTICE", "RUST-LIBRARY-LICENSES.html", "THIRD-PARTY-LICENSES.txt"];
    let module = [release.module_signature(), release.module_name(), "sbom.cdx.json".to_owned(), PLUGIN.to_owned()];
    let mut expected: Vec<String> = papers.map(str::to_owned).into_iter().chain(module).collect();
    expected.sort();
    assert_eq!(names, expected);

    let plugin = folder.path().join(PLUGIN);
    let version = run(Command::new(&plugin).arg("--version"));
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), format!("{PLUGIN} v{}", release.version));
    let sum = sha256_hex(&fs::read(&plugin).unwrap());
    assert_eq!(release.text(".sha256"), format!("{sum}  {PLUGIN}\n"), "what `plugin register` takes");

    let bill: Value = serde_json::from_str(&release.text(".cdx.json")).unwrap();
    assert_eq!(bill["metadata"]["component"]["hashes"][0]["content"], sum);
    let parts = bill["components"].as_array().unwrap();
    for part in ["wasmtime", "astra-secrets", "musl", "rust-std"] {
        let is_there = parts.iter().any(|component| component["name"] == part);
        assert!(is_there || (part == "musl" && cfg!(not(target_env = "musl"))), "{part} is missing");
    }
    for foreign in ["astra-simulator", "harness", "insta", "serde_derive"] {
        assert!(!parts.iter().any(|component| component["name"] == foreign), "{foreign}");
    }
    let licences = fs::read_to_string(folder.path().join("THIRD-PARTY-LICENSES.txt")).unwrap();
    assert!(licences.contains("  wasmtime ") && licences.contains("Apache License"));
}

#[test]
fn an_archive_holds_nothing_of_this_machine() {
    let release = Release::made();
    let root = workspace_root().display().to_string();
    for file in [".cdx.json", ".sha256"] {
        assert!(!release.text(file).contains(&root), "{file}");
    }
    let folder = release.unpacked("-demo");
    for entry in fs::read_dir(folder.path()).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
        // Programs of the development profile contain the folder of their sources; `make dist-check FULL=1` tests the
        // others.
        if ![PLUGIN, "astra-simulator"].iter().any(|program| entry.file_name() == *program) {
            let bytes = fs::read(entry.path()).unwrap();
            let found = bytes.windows(root.len()).any(|window| window == root.as_bytes());
            assert!(!found, "{} names {root}", entry.path().display());
        }
    }
}

/// The README has these commands for the user of a release.
#[test]
fn the_readme_verifies_a_release() {
    let release = Release::made();
    let page = fs::read_to_string(workspace_root().join("README.md")).unwrap();
    let commands = page.split("\n```").find(|block| block.contains("openssl dgst")).unwrap();
    let commands = commands.strip_prefix("sh\n").unwrap();
    let verify = |folder: &Path| {
        let script = format!("set -euo pipefail\n{}", commands.replace("VERSION", &release.version));
        Command::new("bash").args(["-c", &script]).current_dir(folder).output().unwrap()
    };
    // The key comes from another place than the release.
    let with_key = || {
        let folder = tempfile::tempdir().unwrap();
        release.copy_to(folder.path());
        let is_key = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "pub");
        let key = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).find(is_key).unwrap();
        fs::rename(key, folder.path().join("makers.pub")).unwrap();
        folder
    };
    let good = verify(with_key().path());
    let printed = String::from_utf8_lossy(&good.stdout);
    assert!(good.status.success(), "{printed}{}", String::from_utf8_lossy(&good.stderr));
    assert!(printed.contains("Verified OK") && printed.contains("amd64.tar.gz: OK"), "{printed}");

    let changed = with_key();
    let bill = changed.path().join(release.name(".cdx.json"));
    fs::write(&bill, fs::read_to_string(&bill).unwrap() + " ").unwrap();
    assert!(!verify(changed.path()).status.success(), "a changed file is found");
    let sums = changed.path().join(format!("{PLUGIN}_{}_SHA256SUMS", release.version));
    fs::write(&sums, fs::read_to_string(&sums).unwrap().replace("cdx", "xdc")).unwrap();
    let forged = verify(changed.path());
    assert!(!forged.status.success() && !String::from_utf8_lossy(&forged.stdout).contains("Verified OK"), "{forged:?}");
}

#[test]
fn the_module_of_a_release_is_signed_for_the_registration_that_trusts_its_key() {
    let release = Release::made();
    let trust = format!("--trust-key=astra={}", release.module_key);
    let unpacked = release.unpacked("");
    let verify =
        |module: &Path| run(Command::new(unpacked.path().join(PLUGIN)).args(["module", "verify", &trust]).arg(module));
    // As it lies in the archive, and beside it.
    for folder in [unpacked.path(), release.folder()] {
        let verified = verify(&folder.join(release.module_name()));
        assert!(String::from_utf8_lossy(&verified.stdout).contains("may run: signed by"), "{verified:?}");
    }
}

#[test]
fn the_provenance_names_every_file_the_commit_and_what_is_pinned() {
    let release = Release::made();
    let read = "import sys; sys.path.insert(0, 'tests/tools/release'); import json, pathlib, provenance, signing\n\
                statement, signed, signatures = provenance.opened(pathlib.Path(sys.argv[1]).read_text())\n\
                signing.verify(pathlib.Path(sys.argv[2]).read_bytes(), signed, signatures[0])\n\
                print(json.dumps(statement))";
    let proof = |end: &str| release.folder().join(format!("{PLUGIN}_{}{end}", release.version));
    let mut command = Command::new("python3");
    command.args(["-c", read]).arg(proof(".intoto.jsonl")).arg(proof(".pub")).current_dir(workspace_root());
    let statement: Value = serde_json::from_slice(&run(&mut command).stdout).unwrap();
    let sums = fs::read_to_string(proof("_SHA256SUMS")).unwrap();
    let subjects = statement["subject"].as_array().unwrap();
    for subject in subjects {
        let line =
            format!("{}  {}\n", subject["digest"]["sha256"].as_str().unwrap(), subject["name"].as_str().unwrap());
        assert!(sums.contains(&line), "{line}");
    }
    assert_eq!(subjects.len() + 1, sums.lines().count(), "the sums name the provenance, too");
    let definition = &statement["predicate"]["buildDefinition"];
    let commit = definition["resolvedDependencies"][0]["digest"]["gitCommit"].as_str().unwrap();
    let head = run(Command::new("git").args(["rev-parse", "HEAD"]).current_dir(workspace_root()));
    assert_eq!(commit, String::from_utf8_lossy(&head.stdout).trim());
    let lock = sha256_hex(&fs::read(workspace_root().join("Cargo.lock")).unwrap());
    assert_eq!(definition["resolvedDependencies"][1]["digest"]["sha256"], lock);
}

/// The README's first command, with the archive, a server, and Python: neither a toolchain nor this repository is on
/// the path.
#[test]
fn the_demo_runs_from_its_archive_without_rust() {
    let release = Release::made();
    let page = fs::read_to_string(workspace_root().join("README.md")).unwrap();
    let command = page.lines().find(|line| line.starts_with("tar -xzf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let archive = release.name("-demo.tar.gz");
    fs::copy(release.folder().join(&archive), folder.path().join(&archive)).unwrap();
    let output = Command::new("bash")
        .args(["-c", command])
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", folder.path())
        .env("BAO_BIN", openbao_binary())
        .current_dir(folder.path())
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.trim_end().ends_with("tokens left in Astra: 0"), "{printed}");
}
