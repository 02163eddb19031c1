//! The files in examples/ work as they say: they are run where that is possible, and compared with what their readers
//! accept elsewhere.

mod agents;
mod compose;
mod java;
mod kubernetes;
mod python;
mod systemd;
mod terraform;

use std::fs;
use std::process::Command;

use harness::{examples_python, workspace_root};
use serde_json::Value;

fn example(name: &str) -> String {
    fs::read_to_string(workspace_root().join("examples").join(name)).unwrap()
}

/// An example with the reader's own values in place of those in the file; the file must contain each of them.
#[track_caller]
fn filled_in(name: &str, own: &[(&str, &str)]) -> String {
    let mut text = example(name);
    for (placeholder, value) in own {
        assert!(text.contains(placeholder), "{name} has no `{placeholder}`");
        text = text.replace(placeholder, value);
    }
    text
}

/// The documents of a YAML file.
fn documents(name: &str) -> Vec<Value> {
    let read = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    let file = workspace_root().join("examples").join(name);
    let output = Command::new(examples_python()).args(["-c", read]).arg(file).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_page_of_the_examples_names_every_file() {
    let page = example("README.md");
    for folder in fs::read_dir(workspace_root().join("examples")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert!(name == "README.md" || page.contains(&format!("]({name}/")), "examples/README.md does not name {name}");
    }
}
