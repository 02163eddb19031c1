//! Collects the files of which `module new` makes projects, and writes the table that embeds the files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::languages::LANGUAGES;

/// Folders that tools leave in the sources, and one that only the tests of this repository read.
const NO_SOURCES: [&str; 4] = ["target", "node_modules", "__pycache__", "snapshots"];

/// The settings of cargo. Tools leave other hidden folders.
const HIDDEN_SOURCES: &str = ".cargo";

/// Writes `sources.rs` into a folder: a list of paths below the root of the repository, each with the text of the file.
pub(crate) fn embed(root: &Path, out: &Path) -> Result<(), String> {
    let mut files = BTreeMap::new();
    for (part, _) in LANGUAGES.iter().flat_map(|language| language.parts) {
        let path = root.join(part);
        println!("cargo::rerun-if-changed={}", path.display());
        if path.is_file() {
            files.insert((*part).to_owned(), path);
        } else {
            collect(root, Path::new(part), &mut files)?;
        }
    }
    let workspace = read(&root.join("Cargo.toml"))?;
    println!("cargo::rerun-if-changed={}", root.join("Cargo.toml").display());
    let mut table = "pub(crate) const SOURCES: &[(&str, &str)] = &[\n".to_owned();
    for (name, path) in files {
        let mut path = path;
        let text = if name.ends_with("Cargo.toml") { read(&path)? } else { String::new() };
        if text.contains(".workspace = true") {
            let resolved = without_workspace(&text, &workspace).map_err(|reason| format!("`{name}`: {reason}"))?;
            path = out.join(name.replace('/', "+"));
            fs::write(&path, resolved).map_err(|error| format!("`{}`: {error}", path.display()))?;
        }
        writeln!(table, "    ({name:?}, include_str!({:?})),", path.display().to_string())
            .map_err(|error| error.to_string())?;
    }
    table.push_str("];\n");
    fs::write(out.join("sources.rs"), table).map_err(|error| error.to_string())
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<(), String> {
    let named = |error: std::io::Error| format!("`{}`: {error}", folder.display());
    for entry in fs::read_dir(root.join(folder)).map_err(named)? {
        let entry = entry.map_err(named)?;
        let path = folder.join(entry.file_name());
        let name = path.to_str().ok_or("a name is no UTF-8")?.to_owned();
        if entry.file_type().map_err(named)?.is_file() {
            // A module that somebody built there is no source.
            if !name.ends_with(".wasm") {
                files.insert(name, entry.path());
            }
        } else if !is_left_behind(&entry.file_name().to_string_lossy()) {
            collect(root, &path, files)?;
        }
    }
    Ok(())
}

fn is_left_behind(folder: &str) -> bool {
    NO_SOURCES.contains(&folder) || folder.starts_with('.') && folder != HIDDEN_SOURCES
}

/// A manifest that stands for itself: what it takes over of the workspace is filled in. Lints and dependencies of tests are left out,
/// because a project uses the crate and does not test it.
fn without_workspace(manifest: &str, workspace: &str) -> Result<String, String> {
    let mut section = "";
    let mut lines = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        }
        if matches!(section, "[lints]" | "[dev-dependencies]") {
            continue;
        }
        let inherited = if section == "[package]" { "[workspace.package]" } else { "[workspace.dependencies]" };
        lines.push(match line.strip_suffix(".workspace = true") {
            // Our own crates lie side by side, there and here.
            Some(key) => entry(workspace, inherited, key)?.replace("path = \"guest/", "path = \"../"),
            None => line.to_owned(),
        });
    }
    Ok(lines.join("\n") + "\n")
}

/// The line of a key in a section of a manifest.
fn entry<'a>(manifest: &'a str, section: &str, key: &str) -> Result<&'a str, String> {
    let lines = manifest.lines().skip_while(|line| *line != section).skip(1).take_while(|line| !line.starts_with('['));
    let found = lines.into_iter().find(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(" = ")));
    found.ok_or_else(|| format!("`{key}` has no line of its own in {section} of the workspace"))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("`{}`: {error}", path.display()))
}
