//! Rules about the interface in `wit/`: what is released stays as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use harness::{sha256_hex, workspace_root};

/// Guests that exist were built for exactly this text. Nothing rewrites `wit/FROZEN`, `make bless` neither.
#[test]
fn a_released_interface_never_changes() {
    let frozen = fs::read_to_string(workspace_root().join("wit/FROZEN")).unwrap();
    let lines = frozen.lines().filter(|line| !line.starts_with('#'));
    let released: BTreeMap<&str, &str> =
        lines.map(|line| line.split_once("  ").unwrap()).map(|(digest, name)| (name, digest)).collect();
    let present = packages();
    for (name, digest) in &released {
        let Some(package) = present.get(*name) else {
            panic!("`{name}` was released and is gone from `wit/`: bring it back, guests that were built for it exist")
        };
        assert_eq!(
            package.digest(),
            *digest,
            "`{name}` was released and has changed: take the change back, and make it in a new version beside this one, \
             in a folder `NAME@VERSION` of `wit/deps/`"
        );
    }
    for (name, package) in &present {
        assert!(
            released.contains_key(name.as_str()),
            "`{name}` is not released yet: when its text is final, add this line to `wit/FROZEN`:\n{}  {name}",
            package.digest()
        );
    }
}

/// The packages of a released world are never renamed, and each folder is named as its package.
#[test]
fn wit_packages_are_named_as_their_folders() {
    let packages = packages();
    for (name, package) in &packages {
        assert_eq!(package.declared().as_deref(), Some(name.as_str()));
    }
    assert!(packages.len() >= 3, "no packages were found");
}

/// The files of one package.
struct Package(Vec<PathBuf>);

impl Package {
    /// As `sha256sum *.wit | sha256sum` says it.
    fn digest(&self) -> String {
        let line = |file: &PathBuf| {
            let name = file.file_name().unwrap().to_str().unwrap();
            format!("{}  {name}\n", sha256_hex(&fs::read(file).unwrap()))
        };
        sha256_hex(self.0.iter().map(line).collect::<String>().as_bytes())
    }

    /// The name that its text says, spelled as a folder.
    fn declared(&self) -> Option<String> {
        self.0.iter().find_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            let line = text.lines().find(|line| line.starts_with("package "))?.to_owned();
            Some(
                line.trim_start_matches("package ")
                    .trim_end_matches([';', '{', ' '])
                    .replace(":%", ":")
                    .replace(':', "-"),
            )
        })
    }
}

/// All packages by their folders' names; the newest world has none, so it goes by what it declares.
fn packages() -> BTreeMap<String, Package> {
    let wit = workspace_root().join("wit");
    let world = Package(vec![wit.join("world.wit")]);
    let mut packages = BTreeMap::from([(world.declared().unwrap(), world)]);
    for folder in fs::read_dir(wit.join("deps")).unwrap().flatten() {
        let mut files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        let is_new = packages.insert(folder.file_name().into_string().unwrap(), Package(files)).is_none();
        assert!(is_new, "`{}` is there twice", folder.path().display());
    }
    packages
}
