//! `module new` and `module build`. Scenarios build the projects and mount the engines.

use std::fs;
use std::path::Path;

use crate::program::{rogue, run};

#[test]
fn a_project_is_written_as_a_whole_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    let written = run(folder.path(), &["module", "new", "my-engine", "--lang=rust", "--format=json"]).expect(0).json();
    assert_eq!((&written["folder"], &written["language"]), (&"my-engine".into(), &"rust".into()));
    assert_eq!(written["files"], count(&at("my-engine")));
    let manifest = fs::read_to_string(at("my-engine/Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"my-engine\"") && manifest.contains("path = \"framework/secrets-framework\""));
    let text = run(folder.path(), &["module", "new", "scripted", "--lang=js"]).expect(0).stdout;
    assert!(text.contains("cd scripted") && text.contains("npm run build"), "{text}");
    assert!(fs::read_to_string(at("scripted/src/engine.js")).unwrap().contains("name: 'scripted'"));
    // Neither is left with what it was written in.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}

#[test]
fn a_wrong_name_a_wrong_language_and_a_folder_that_is_there_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["Greeter", "../greeter", "1st", "a.b", "", "a/b"] {
        run(folder.path(), &["module", "new", name, "--lang=js"])
            .expect(64)
            .says(&format!("engine `{name}`: expected"));
    }
    run(folder.path(), &["module", "new", "greeter", "--lang=cobol"])
        .expect(64)
        .says("[possible values: rust, js, python]");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::create_dir(folder.path().join("greeter")).unwrap();
    run(folder.path(), &["module", "new", "greeter", "--lang=js"])
        .expect(1)
        .says("`greeter` exists and is not overwritten");
    assert_eq!(fs::read_dir(folder.path().join("greeter")).unwrap().count(), 0);
}

#[test]
fn a_module_is_named_by_what_it_says_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let good = rogue("good").display().to_string();
    let built = run(folder.path(), &["module", "build", &good, "--format=json"]).expect(0).json();
    let file = folder.path().join(built["file"].as_str().unwrap());
    assert_eq!(fs::read(file).unwrap(), fs::read(&good).unwrap(), "a component stays as it is");
    for (content, expected) in
        [(&b"text"[..], "no module can be made of the file"), (b"\0asm\x0d\0\x01\0", "not of the world")]
    {
        fs::write(folder.path().join("other.wasm"), content).unwrap();
        run(folder.path(), &["module", "build", "other.wasm"]).expect(1).says(expected);
    }
    run(folder.path(), &["module", "build", "other.wasm", "--out=missing"]).expect(1).says("`other.wasm`");
}
