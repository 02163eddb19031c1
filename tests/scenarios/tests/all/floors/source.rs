//! The uses between modules of a crate, read from the `use` declarations and the `crate::` and `super::` paths of
//! product code. Code below `#[cfg(test)]` does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module's path below the root of the crate: empty for the root itself.
pub(super) type Module = Vec<String>;

/// Each module with the modules that it uses, other than its own descendants and ancestors.
pub(super) type Uses = BTreeMap<Module, BTreeSet<Module>>;

/// Levels of re-exports that the search follows.
const EXPORTS_DEPTH_MAX: usize = 8;

/// The uses between the modules of the crate with this source folder.
pub(super) fn read(folder: &Path) -> Uses {
    let mut sources = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let inner = path.strip_prefix(folder).unwrap().with_extension("");
                let names = inner.iter().map(|name| name.to_str().unwrap().to_owned());
                let module = names.filter(|name| !["lib", "main", "mod"].contains(&name.as_str())).collect();
                // The root of a program and that of its library are one module.
                let text: &mut String = sources.entry(module).or_default();
                text.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    uses_of(&sources)
}

/// The uses between modules of these sources.
pub(super) fn uses_of(sources: &BTreeMap<Module, String>) -> Uses {
    let mut crate_ = Crate::default();
    let mut left_out = Vec::new();
    for (module, text) in sources {
        let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{module:?}: {error}"));
        let mut words = Vec::new();
        flatten(stream, &mut words);
        left_out.extend(test_modules(&words).map(|name| [module.as_slice(), &[name]].concat()));
        crate_.modules.insert(module.clone(), without_tests(&words));
    }
    crate_.modules.retain(|module, _| !left_out.iter().any(|test| module.starts_with(test)));
    crate_.uses()
}

/// The tokens as words. The lexer has removed comments, and each text is one word.
fn flatten(stream: TokenStream, words: &mut Vec<String>) {
    for token in stream {
        match token {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                words.push(open.to_owned());
                flatten(group.stream(), words);
                words.push(close.to_owned());
            }
            other => words.push(other.to_string()),
        }
    }
}

const TEST_ONLY: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

fn is_test_only(words: &[String], at: usize) -> bool {
    words[at..].iter().map(String::as_str).take(TEST_ONLY.len()).eq(TEST_ONLY)
}

/// The end of the item that begins at `at`: after its semicolon, or after its closing brace.
fn end_of_item(words: &[String], at: usize) -> usize {
    let mut depth = 0;
    for (index, word) in words.iter().enumerate().skip(at) {
        match word.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && [";", "}"].contains(&word.as_str()) {
            return index + 1;
        }
    }
    words.len()
}

/// Names of modules in files of their own that are declared for tests only.
fn test_modules(words: &[String]) -> impl Iterator<Item = String> {
    (0..words.len()).filter(|&at| is_test_only(words, at)).filter_map(|at| {
        let item = &words[at + TEST_ONLY.len()..end_of_item(words, at + TEST_ONLY.len())];
        let name = item.iter().position(|word| word == "mod").and_then(|at| item.get(at + 1))?;
        item.last().filter(|last| *last == ";").map(|_| name.clone())
    })
}

fn without_tests(words: &[String]) -> Vec<String> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < words.len() {
        if is_test_only(words, at) {
            at = end_of_item(words, at + TEST_ONLY.len());
        } else {
            kept.push(words[at].clone());
            at += 1;
        }
    }
    kept
}

/// The modules of a crate, each with its words.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Module, Vec<String>>,
}

impl Crate {
    fn uses(&self) -> Uses {
        let declared: BTreeMap<&Module, Vec<Declared>> =
            self.modules.iter().map(|(module, words)| (module, declarations(words))).collect();
        let mut uses = Uses::new();
        for (module, words) in &self.modules {
            let used: BTreeSet<Module> = declared[module]
                .iter()
                .map(|declared| declared.path.clone())
                .chain(paths(words))
                .filter_map(|path| self.resolve(&declared, module, &path, 0))
                .filter(|used| !used.starts_with(module) && !module.starts_with(used))
                .collect();
            uses.insert(module.clone(), used);
        }
        uses
    }

    /// The module of the item at `path`, as seen from `from`. Follows re-exports.
    fn resolve(
        &self,
        declared: &BTreeMap<&Module, Vec<Declared>>,
        from: &Module,
        path: &[String],
        depth: usize,
    ) -> Option<Module> {
        let (mut module, mut rest) = match path.first()?.as_str() {
            "crate" => (Module::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => (from.clone(), path),
            name if self.modules.contains_key(&child(from, name)) => (from.clone(), path),
            _ => return None,
        };
        while let Some((name, after)) = rest.split_first() {
            if name == "super" {
                module.pop();
            } else if self.modules.contains_key(&child(&module, name)) {
                module.push(name.clone());
            } else if name != "self" {
                break;
            }
            rest = after;
        }
        let exported = rest.first().filter(|_| depth < EXPORTS_DEPTH_MAX).and_then(|name| {
            let export = declared.get(&module)?.iter().find(|declared| declared.name == *name)?;
            let path = [export.path.as_slice(), &rest[1..]].concat();
            self.resolve(declared, &module, &path, depth + 1)
        });
        Some(exported.unwrap_or(module))
    }
}

fn child(module: &Module, name: &str) -> Module {
    [module.as_slice(), &[name.to_owned()]].concat()
}

/// A name that a `use` declaration imports.
struct Declared {
    name: String,
    path: Vec<String>,
}

/// True for the begin of a `use` declaration. A list of lifetimes that a type captures looks similar.
fn is_declaration(words: &[String], at: usize) -> bool {
    words[at] == "use" && words.get(at + 1).is_some_and(|next| next != "<")
}

/// The names that the `use` declarations import.
fn declarations(words: &[String]) -> Vec<Declared> {
    let mut declared = Vec::new();
    for at in (0..words.len()).filter(|&at| is_declaration(words, at)) {
        read_tree(&words[at + 1..end_of_item(words, at + 1)], &mut Vec::new(), &mut declared);
    }
    declared
}

/// Reads one tree of a `use` declaration, which follows `prefix`; returns its number of words.
fn read_tree(words: &[String], prefix: &mut Vec<String>, declared: &mut Vec<Declared>) -> usize {
    let (mut at, length) = (0, prefix.len());
    let mut name = None;
    while let Some(word) = words.get(at) {
        match word.as_str() {
            ":" => {}
            "{" => {
                at += 1;
                while words.get(at).is_some_and(|word| word != "}") {
                    // At least the comma, so that the loop ends for any text.
                    at += read_tree(&words[at..], prefix, declared);
                    at += usize::from(words.get(at).is_some_and(|word| word != "}"));
                }
                prefix.truncate(length);
                return at + 1;
            }
            "as" => {
                name = words.get(at + 1).cloned();
                at += 1;
            }
            "," | "}" | ";" => break,
            _ => prefix.push(word.clone()),
        }
        at += 1;
    }
    let last = prefix.iter().rev().find(|word| *word != "self").cloned();
    declared.push(Declared { name: name.or(last).unwrap_or_default(), path: prefix.clone() });
    prefix.truncate(length);
    at
}

/// The paths from `crate` or `super` outside `use` declarations.
fn paths(words: &[String]) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let begins = ["crate", "super"].contains(&words[at].as_str());
        if is_declaration(words, at) {
            at = end_of_item(words, at);
        } else if begins {
            let mut path = vec![words[at].clone()];
            while words.get(at + 1).is_some_and(|word| word == ":") && words.get(at + 2).is_some_and(|word| word == ":")
            {
                path.extend(words.get(at + 3).cloned());
                at += 3;
            }
            if path.len() > 1 {
                paths.push(path);
            }
            at += 1;
        } else {
            at += 1;
        }
    }
    paths
}
