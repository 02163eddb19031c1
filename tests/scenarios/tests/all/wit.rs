//! Rules about the interface in `wit/`: a released package never changes, except for its comments.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use harness::{sha256_hex, workspace_root};

/// Stands in `wit/FROZEN` instead of a digest.
const UNRELEASED: &str = "unreleased";

/// Existing guests were built for exactly these types and functions. Nothing rewrites `wit/FROZEN`, not even `make
/// bless`.
#[test]
fn a_released_interface_never_changes() {
    let frozen = fs::read_to_string(workspace_root().join("wit/FROZEN")).unwrap();
    let lines = frozen.lines().filter(|line| !line.starts_with('#'));
    let released: BTreeMap<&str, &str> =
        lines.map(|line| line.split_once("  ").unwrap()).map(|(digest, name)| (name, digest)).collect();
    let present = packages();
    // Packages of the next version, which may change until their release.
    let is_unreleased = |name: &str| released.get(name) == Some(&UNRELEASED);
    for (name, digest) in released.iter().filter(|(name, _)| !is_unreleased(name)) {
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
    for name in released.keys().filter(|name| is_unreleased(name)) {
        assert!(present.contains_key(*name), "`{name}` is unreleased and not there: take its line out of `wit/FROZEN`");
    }
    let unlisted = present.iter().filter(|(name, _)| !released.contains_key(name.as_str()));
    let lines: String = unlisted.map(|(name, package)| format!("{}  {name}\n", package.digest())).collect();
    assert!(
        lines.is_empty(),
        "`wit/FROZEN` lacks packages: add these lines when their text is final, and `{UNRELEASED}` for the digest until \
         then:\n{lines}"
    );
}

/// The packages of a released world are never renamed, and each folder has the name of its package.
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
    /// SHA-256 of the files' tokens, by file name: comments and blank space do not count.
    fn digest(&self) -> String {
        let part = |file: &PathBuf| {
            let name = file.file_name().unwrap().to_str().unwrap();
            format!("{name}\n{}\n", tokens(&fs::read_to_string(file).unwrap()))
        };
        sha256_hex(self.0.iter().map(part).collect::<String>().as_bytes())
    }

    /// The name that the text declares, in the form of a folder.
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

/// The text of a WIT file without comments, with one space between words and signs. WIT has no quoted texts, which
/// could contain the sign of a comment.
fn tokens(text: &str) -> String {
    let mut spaced = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let skipped = comment_length(rest);
        if skipped > 0 {
            spaced.push(' ');
            rest = &rest[skipped..];
            continue;
        }
        // Each sign is a token of its own, however it is spaced; names may contain `-`, versions `.` and `-`.
        let is_word = character.is_alphanumeric() || matches!(character, '-' | '.' | '_' | '%');
        if is_word {
            spaced.push(character);
        } else {
            spaced.extend([' ', character, ' ']);
        }
        rest = &rest[character.len_utf8()..];
    }
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The length of the comment at the begin of a text; 0 if there is none.
fn comment_length(text: &str) -> usize {
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    if !text.starts_with("/*") {
        return 0;
    }
    // Such comments nest.
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[test]
fn comments_and_blank_space_of_an_interface_do_not_count() {
    let plain = "package a:b@0.1.0; interface i { get: func(key: string) -> result<option<entry>, error>; }";
    let commented = "/// What it is.\npackage a:b@0.1.0;\n\ninterface i {\n  // A /* line.\n  get: func( /* a /* nested */ one */\n  \
                     key: string) -> result<option<entry>,error>;\n}\n/// The end";
    assert_eq!(tokens(plain), tokens(commented));
    for changed in [plain.replace("string", "u32"), plain.replace("0.1.0", "0.1.1"), plain.replace("get:", "get-it:")] {
        assert_ne!(tokens(plain), tokens(&changed));
    }
}

/// All packages by the names of their folders. The newest world has no folder, so its declared name counts.
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
