//! Rules about the repository itself: dependencies between crates, imports of the component, and forbidden content of
//! files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use harness::workspace_root;

/// External crates, and the only crates that may use them. Each of those knows one thing of the outside world.
const OWNERS: [(&str, &[&str]); 18] = [
    ("wit-bindgen", &["engine-component", "rogue-components"]),
    ("wit-component", &["componentize"]),
    ("wasmtime", &["component-runtime"]),
    ("wasmtime-wasi", &["component-runtime"]),
    ("wasmtime-wasi-http", &["component-runtime"]),
    ("cap-std", &["modules"]),
    ("tonic", &["plugin-protocol"]),
    ("prost", &["plugin-protocol"]),
    ("h2", &["plugin-protocol"]),
    ("tokio-rustls", &["plugin-protocol", "component-runtime", "astra-simulator"]),
    ("clap", &["plugin-host", "astra-simulator", "bench"]),
    ("redb", &["plugin-host"]),
    ("reqwest", &["insight"]),
    ("memchr", &["plugin-host", "sealed-secrets"]),
    ("mimalloc", &["plugin-host", "harness"]),
    ("zeroizing-alloc", &["plugin-host", "harness"]),
    ("seccompiler", &["component-runtime"]),
    ("libc", &["component-runtime"]),
];

/// Our own crates, each with the crates that it may build on.
const INNER: [(&str, &[&str]); 16] = [
    ("secrets-framework", &[]),
    ("astra-secrets", &["secrets-framework"]),
    ("engine-component", &["secrets-framework"]),
    ("astra-component", &["engine-component", "astra-secrets"]),
    ("http-passwords", &["engine-component", "secrets-framework"]),
    ("componentize", &[]),
    ("envelope", &[]),
    ("insight", &[]),
    ("local-server", &["envelope"]),
    ("low-priority", &[]),
    ("memory-functions", &[]),
    ("plugin-protocol", &["envelope", "low-priority"]),
    ("sealed-secrets", &[]),
    ("component-runtime", &["envelope", "low-priority", "sealed-secrets"]),
    ("modules", &["envelope", "component-runtime"]),
    (
        "plugin-host",
        &[
            "componentize",
            "envelope",
            "insight",
            "secrets-framework",
            "local-server",
            "memory-functions",
            "plugin-protocol",
            "component-runtime",
            "modules",
        ],
    ),
];

/// Lines of one file: a file can be read in one sitting, with room for a table.
const FILE_LINES_MAX: usize = 500;

fn packages() -> Vec<Package> {
    let mut command = MetadataCommand::new();
    command.manifest_path(workspace_root().join("Cargo.toml")).no_deps();
    command.exec().unwrap().packages
}

#[test]
fn each_outside_crate_has_its_owners() {
    for package in packages() {
        for dependency in &package.dependencies {
            let Some((_, owners)) = OWNERS.iter().find(|(name, _)| *name == dependency.name) else { continue };
            let outside_tests = dependency.kind != DependencyKind::Development;
            assert!(
                !outside_tests || owners.contains(&package.name.as_str()),
                "`{}` may not depend on `{}`: {owners:?} may",
                package.name,
                dependency.name
            );
        }
    }
}

#[test]
fn our_crates_build_on_each_other_in_one_direction() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    for (name, allowed) in INNER {
        let package = packages.iter().find(|package| package.name.as_str() == name).unwrap();
        let used = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
        for dependency in used.filter(|dependency| ours.contains(dependency.name.as_str())) {
            assert!(allowed.contains(&dependency.name.as_str()), "`{name}` may not depend on `{}`", dependency.name);
        }
    }
}

#[test]
fn every_crate_takes_the_workspaces_lints_and_is_unpublished() {
    for package in packages() {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "`{}` has lints of its own", package.name);
        assert_eq!(package.publish, Some(Vec::new()), "`{}` could be published", package.name);
        assert!(package.description.is_some(), "`{}` has no description", package.name);
    }
}

/// A sandbox is as tight as its list of imports.
#[cfg(feature = "component")]
#[test]
fn the_components_import_what_they_may_and_nothing_else() {
    // An operator allows an engine the functions that it calls.
    for (component, makes_passwords) in [(harness::component_wasm(), false), (harness::http_passwords_wasm(), true)] {
        let wasm = fs::read(component).unwrap();
        assert_imports(&wasm);
        let function = b"generate-password";
        assert_eq!(wasm.windows(function.len()).any(|part| part == function), makes_passwords);
    }
}

#[cfg(feature = "component")]
fn assert_imports(wasm: &[u8]) {
    use wit_component::{DecodedWasm, decode};

    let allowed = componentize::allowed_imports().unwrap();
    let DecodedWasm::Component(resolve, world) = decode(wasm).unwrap() else { panic!("not a component") };
    let world = &resolve.worlds[world];
    let imports: Vec<String> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    for import in &imports {
        assert!(allowed.contains(import), "`{import}` is imported");
    }
    assert!(imports.contains(&"secrets-engine:host/storage@0.1.0".to_owned()), "{imports:?}");
    let exports: Vec<String> = world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    let expected = [
        "secrets-engine:backend/backend@0.1.0",
        "secrets-engine:secrets/declaration@0.2.0",
        "secrets-engine:paths/existence@0.2.0",
    ];
    assert_eq!(exports, expected);
}

#[test]
fn every_limit_says_what_it_is_for() {
    let mut limits = 0;
    for file in rust_files().into_iter().filter(|file| file.ends_with("limits.rs")) {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let line = line.trim_start();
            let is_limit = ["pub const ", "pub(crate) const "].iter().any(|start| line.starts_with(start));
            if is_limit {
                limits += 1;
                let above = number.checked_sub(1).map(|above| lines[above].trim_start()).unwrap_or_default();
                assert!(above.starts_with("///"), "{}:{}: a limit without a reason", file.display(), number + 1);
            }
        }
    }
    assert!(limits > 50, "only {limits} limits were found");
}

#[test]
fn files_are_read_in_one_sitting() {
    let too_long: Vec<_> = rust_files()
        .into_iter()
        .filter_map(|file| {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            (lines > FILE_LINES_MAX).then(|| format!("{}: {lines}", file.display()))
        })
        .collect();
    assert!(too_long.is_empty(), "files over {FILE_LINES_MAX} lines: {too_long:#?}");
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    // The names of tests beside the code say their purpose.
    for file in rust_files().into_iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("//!"), "{} does not say what it is for", file.display());
    }
}

/// Words of unfinished work, and paths that exist on one machine only. Written in pieces, so that this file passes its
/// own test.
#[test]
fn nothing_unfinished_and_nothing_of_one_machine() {
    let banned = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X"].concat(),
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["#[ig", "nore"].concat(),
        ["#[al", "low("].concat(),
        ["/ro", "ot/"].concat(),
        ["/wo", "rk/"].concat(),
        ["/ho", "me/"].concat(),
    ];
    let files = text_files(&["rs", "md", "toml", "wit", "sh", "yml", "proto"]);
    assert!(files.len() > 50, "the walk found {} files", files.len());
    for file in files.into_iter().filter(|file| !is_generated(file)) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        for (number, line) in text.lines().enumerate() {
            let found = banned.iter().find(|word| stands_in(line, word));
            assert!(found.is_none(), "{}:{}: `{}`", file.display(), number + 1, found.unwrap());
        }
    }
}

/// True if the word is in the line, except as the end of a longer word.
fn stands_in(line: &str, word: &str) -> bool {
    let ends_longer = |start: usize| line[..start].chars().next_back().is_some_and(char::is_alphanumeric);
    line.match_indices(word).any(|(start, _)| !ends_longer(start))
}

/// The commands that the documents show exist.
#[test]
fn the_commands_in_the_documents_exist() {
    // The page for authors of engines shows those of a project, too.
    let makefiles = ["Makefile", "guest/template/Makefile"];
    let makefile = makefiles.map(|name| fs::read_to_string(workspace_root().join(name)).unwrap()).join("\n");
    let targets: BTreeSet<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.', ' ']))
        .filter_map(|line| line.split_once(':'))
        .flat_map(|(names, _)| names.split_whitespace())
        .collect();
    let mut documents = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md"]
        .map(|name| workspace_root().join(name))
        .to_vec();
    walk(&workspace_root().join("docs"), &mut documents);
    let mut commands = 0;
    for document in documents.iter().filter(|file| has_extension(file, &["md"])) {
        let text = fs::read_to_string(document).unwrap();
        for command in commands_in(&text) {
            commands += 1;
            assert!(targets.contains(command), "{} names `make {command}`, which is not there", document.display());
        }
    }
    assert!(commands > 0, "the documents name no command");
}

/// `make x` at the begin of a line of code, or between backticks.
fn commands_in(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("make ").filter(|(start, _)| {
        let before = text[..*start].chars().next_back();
        matches!(before, None | Some('\n' | '`'))
    });
    starts.filter_map(|(start, found)| {
        let rest = &text[start + found.len()..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    })
}

/// The tests that the list of differences names exist.
#[test]
fn the_tests_in_the_list_of_differences_exist() {
    let text = fs::read_to_string(workspace_root().join("docs/compatibility.md")).unwrap();
    let folder = workspace_root().join("tests/scenarios/tests/all");
    let sources = rust_files();
    let is_name = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase() || b"_:".contains(&byte));
    let mut names = 0;
    for name in text.split('`').skip(1).step_by(2).filter(|name| name.contains("::") && is_name(name)) {
        names += 1;
        let parts: Vec<&str> = name.split("::").collect();
        if let [file, test] = parts.as_slice()
            && *test != "tests"
        {
            let code = fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap_or_default();
            let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_'));
            assert!(words.any(|word| word == *test), "docs/compatibility.md names `{name}`, which is not there");
            continue;
        }
        // A module of tests in a crate, or a test in it: the module is the file `…/a/b/tests.rs`, or a part of `…/a/b.rs`.
        let is_file = |parts: &[&str], has: &dyn Fn(&str) -> bool| {
            let path = format!("/{}", parts.join("/"));
            let ends = [format!("{path}.rs"), format!("{}.rs", path.strip_suffix("/tests").unwrap_or(&path))];
            let is_it = |source: &PathBuf| ends.iter().any(|end| source.to_string_lossy().ends_with(end));
            sources.iter().filter(|source| is_it(source)).any(|source| has(&fs::read_to_string(source).unwrap()))
        };
        let is_there = is_file(&parts, &|_| true)
            || parts
                .split_last()
                .is_some_and(|(test, module)| is_file(module, &|code| code.contains(&format!("fn {test}("))));
        assert!(is_there, "docs/compatibility.md names `{name}`, which is not there");
    }
    assert!(names > 50, "only {names} names were found");
}

/// A document names a test by its own name, which has at least three `_`, by its module and its name, or by a module of
/// tests.
#[test]
fn the_tests_in_the_threat_model_exist() {
    let text = fs::read_to_string(workspace_root().join("docs/threat-model.md")).unwrap();
    let files = rust_files();
    let code: Vec<String> = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let is_function = |name: &str| code.iter().any(|code| code.contains(&format!("fn {name}(")));
    let is_module = |name: &str| files.iter().any(|file| file.file_stem().is_some_and(|stem| stem == name));
    let is_name = |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte));
    let mut names = 0;
    for name in text.split('`').skip(1).step_by(2).filter(is_name) {
        let exists = match name.rsplit_once("::") {
            Some((module, "tests")) => is_module(module),
            Some((_, last)) => is_function(last) || is_module(last),
            None if name.matches('_').count() >= 3 => is_function(name),
            None => continue,
        };
        names += 1;
        assert!(exists, "docs/threat-model.md names `{name}`, which is not there");
    }
    assert!(names > 50, "only {names} names were found");
}

/// `run-tests.sh` compares this list with the scenarios that Vault did not play; this test compares the list with the
/// code.
#[test]
fn the_list_of_scenarios_that_vault_cannot_play_is_that_of_the_code() {
    let folder = workspace_root().join("tests/scenarios/tests/all");
    let mut asking = BTreeSet::new();
    for file in rust_files().into_iter().filter(|file| file.starts_with(&folder) && !file.ends_with("tidy.rs")) {
        let text = fs::read_to_string(&file).unwrap();
        let module = file.strip_prefix(&folder).unwrap().with_extension("").display().to_string().replace('/', "::");
        for (at, _) in text.match_indices("can_play(scenario, ") {
            let last = |begin: &str| text[..at].rsplit(begin).next().unwrap();
            let function = last("\nfn ").split('(').next().unwrap();
            let name = last("let scenario = \"").split('"').next().unwrap();
            assert_eq!(name, format!("{module}::{function}"), "a scenario notes another name than its own");
            asking.insert(name.to_owned());
        }
    }
    let list = fs::read_to_string(workspace_root().join("tests/tools/not-played-on-vault.txt")).unwrap();
    let listed = list.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
    assert_eq!(listed.collect::<BTreeSet<_>>(), asking);
    assert!(!asking.is_empty());
}

/// Lines of the README, which a visitor reads before deciding to stay.
const README_LINES_MAX: usize = 150;

#[test]
fn the_readme_is_short() {
    let lines = fs::read_to_string(workspace_root().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES_MAX, "README.md has {lines} lines, and may have {README_LINES_MAX}");
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let documents = text_files(&["md"]);
    let mut links = 0;
    for document in &documents {
        let text = fs::read_to_string(document).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.starts_with("https://")) {
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() { document.clone() } else { document.with_file_name("").join(file) };
            let Ok(page) = fs::read_to_string(&linked) else {
                assert!(linked.exists(), "{} links to `{target}`, which is not there", document.display());
                continue;
            };
            let found =
                anchor.is_empty() || page.lines().any(|line| line.starts_with('#') && anchor_of(line) == anchor);
            assert!(found, "{} links to `{target}`, which has no such heading", document.display());
        }
    }
    assert!(links > 20, "only {links} links were found");
}

/// The anchor that GitHub gives to a heading.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|character| character.is_alphanumeric() || matches!(character, '-' | '_')).collect()
}

/// The invariants name the tests that prove them.
#[test]
fn the_tests_of_the_invariants_exist() {
    let text = fs::read_to_string(workspace_root().join("docs/ARCHITECTURE.md")).unwrap();
    let (_, invariants) = text.split_once("\n## Invariants\n").unwrap();
    let (invariants, _) = invariants.split_once("\n## ").unwrap();
    let code: Vec<String> = rust_files().iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let words: BTreeSet<&str> =
        code.iter().flat_map(|code| code.split(|c: char| !(c.is_alphanumeric() || c == '_'))).collect();
    let is_name =
        |part: &&str| part.contains('_') && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let names: Vec<&str> = invariants.split('`').skip(1).step_by(2).filter(is_name).collect();
    for name in &names {
        assert!(words.contains(name), "docs/ARCHITECTURE.md names the test `{name}`, which is not there");
    }
    assert!(names.len() > 50, "only {} names were found", names.len());
}

/// Rust files that people write; the paths of generated ones say so.
fn rust_files() -> Vec<PathBuf> {
    text_files(&["rs"]).into_iter().filter(|file| !is_generated(file)).collect()
}

/// True for a file that a program wrote.
pub(crate) fn is_generated(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "gen")
}

/// The files of the repository with one of these extensions.
pub(crate) fn text_files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    walk(&workspace_root(), &mut files);
    files.retain(|file| has_extension(file, extensions));
    assert!(!files.is_empty(), "the walk found no {extensions:?} files");
    files
}

fn has_extension(file: &Path, extensions: &[&str]) -> bool {
    file.extension().is_some_and(|extension| extensions.iter().any(|known| extension == *known))
}

/// All files below a folder, without build output and hidden files.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && !["target", "dist"].contains(&name.as_ref()) {
            walk(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}
