//! The pipelines call only the Makefile, and use actions that cannot be exchanged.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{place_script, tool, workspace_root};
use regex::Regex;

use super::run;

fn pipelines() -> Vec<(String, String)> {
    let folder = fs::read_dir(workspace_root().join(".github/workflows")).unwrap();
    let files = folder.map(|entry| entry.unwrap().path());
    files.map(|file| (file.display().to_string(), fs::read_to_string(&file).unwrap())).collect()
}

/// The values of a key, in all steps.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).collect()
}

#[test]
fn every_step_calls_the_makefile_or_an_action_that_is_pinned_by_digest() {
    let makefile = fs::read_to_string(workspace_root().join("Makefile")).unwrap();
    let targets: BTreeSet<&str> =
        makefile.lines().filter_map(|line| line.split_once(": ").map(|(name, _)| name)).collect();
    let pinned = Regex::new(r"^[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$").unwrap();
    let pipelines = pipelines();
    assert!(pipelines.len() >= 3);
    for (file, text) in &pipelines {
        let steps = values(text, "run");
        assert!(!steps.is_empty(), "{file}");
        for step in steps {
            let target = step.strip_prefix("make ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
            assert!(targets.contains(target), "{file}: `{step}` is no target of the Makefile");
            assert!(!step.contains("${{"), "{file}: `{step}` takes text of others into a shell");
        }
        for action in values(text, "uses") {
            assert!(pinned.is_match(action), "{file}: `{action}` is not pinned by a digest with its version");
        }
        assert!(text.contains("\npermissions:\n  contents: read\n"), "{file}");
    }
}

#[test]
fn the_pipelines_have_none_of_the_known_mistakes() {
    run(Command::new(tool("zizmor")).args(["--offline", "--quiet", ".github/workflows"]).current_dir(workspace_root()));
}

#[test]
fn a_release_is_made_with_the_advisories_of_its_day_and_without_a_key_in_an_argument() {
    let release = pipelines().into_iter().find(|(file, _)| file.ends_with("release.yml")).unwrap().1;
    let steps = values(&release, "run");
    let position = |start: &str| steps.iter().position(|step| step.starts_with(start)).unwrap();
    assert!(position("make deny ADVISORIES=required") < position("make dist "));
    assert!(position("make ci") < position("make dist ") && position("make dist ") < position("make publish"));
    for secret in release.lines().filter(|line| line.contains("secrets.")) {
        assert!(secret.trim_start().starts_with("RELEASE_"), "a secret is a variable of one step: {secret}");
    }
}

#[test]
fn a_database_of_advisories_that_is_not_reached_stops_a_release_and_is_told_of_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let tools = folder.path().join("target/tools");
    fs::create_dir_all(&tools).unwrap();
    let cargo_deny = tools.join("cargo-deny");
    place_script("#!/bin/sh\ncase \"$*\" in *fetch*) exit 1 ;; esac\n", &cargo_deny);
    let deny = |argument: &str| {
        let script = workspace_root().join("tests/tools/deny.sh");
        Command::new("bash").arg(script).arg(argument).current_dir(folder.path()).output().unwrap()
    };
    let required = deny("required");
    assert!(!required.status.success());
    assert!(String::from_utf8_lossy(&required.stderr).contains("cannot be reached"), "{required:?}");
    let usual = deny("");
    assert!(usual.status.success() && String::from_utf8_lossy(&usual.stdout).contains("NOT checked"), "{usual:?}");
}

#[test]
fn a_build_for_another_processor_says_that_its_runner_is_missing() {
    let mut make = Command::new("make");
    make.args(["--dry-run", "plugin", "ARCH=riscv64", "RUNNER=no-such-program"]).env_remove("MAKEFLAGS");
    let output = make.current_dir(workspace_root()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("RUNNER names no program that can be run"), "{told}");
}

#[test]
fn the_documents_make_a_site_without_dead_links() {
    let site = tempfile::tempdir().unwrap();
    let _built = tool("mdbook");
    run(Command::new("python3")
        .arg("tests/tools/release/book.py")
        .arg(site.path().join("site"))
        .current_dir(workspace_root()));
    let documents = fs::read_dir(workspace_root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let is_page = |path: &Path| path.extension().is_some_and(|end| end == "md") && !path.ends_with("SUMMARY.md");
    for page in documents.filter(|path| is_page(path)) {
        let made = site.path().join("site").join(page.with_extension("html").file_name().unwrap());
        assert!(made.is_file(), "docs/SUMMARY.md leaves {} out", page.display());
    }
}
