//! The difference of two modules, for people and programs, by the rules of an update check.

use std::cmp::Ordering;

use component_runtime::{Capability, Declaration, Description};
use modules::ModuleId;
use modules::controller::Incompatibility;
use serde::Serialize;

use super::Side;
use super::compare::{Change, changes};
use crate::cli::output::{Report, names, printable};

/// The difference of two modules.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    old: Named,
    new: Named,
    /// Why the new module is not activated automatically.
    #[serde(rename = "obstacles")]
    incompatibilities: Vec<String>,
    #[serde(rename = "going_back")]
    revert: Revert,
    #[serde(serialize_with = "names")]
    capabilities_added: Vec<Capability>,
    #[serde(serialize_with = "names")]
    capabilities_removed: Vec<Capability>,
    secret_kinds_added: Vec<String>,
    secret_kinds_removed: Vec<String>,
    special_paths: Vec<String>,
    /// A sentence for each class of secrets that only one of the modules declares in this way.
    sealed_secrets: Vec<String>,
    /// `None` if the paths of one module are unknown.
    changes: Option<Vec<Change>>,
}

#[derive(Debug, Serialize)]
struct Named {
    file: String,
    engine: String,
    version: String,
    sha256: String,
    storage_version_written: u32,
    storage_version_readable_from: u32,
}

/// Would a revert to the old module be possible?
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Revert {
    possible: bool,
    text: String,
}

impl Difference {
    /// Compares two modules.
    pub(super) fn between(old: &Side, new: &Side) -> Self {
        let (before, after) = (&old.description, &new.description);
        let mut difference = Self {
            old: Named::new(old),
            new: Named::new(new),
            incompatibilities: Vec::new(),
            revert: revert(old, new),
            capabilities_added: new.capabilities.difference(&old.capabilities).copied().collect(),
            capabilities_removed: old.capabilities.difference(&new.capabilities).copied().collect(),
            secret_kinds_added: missing(&after.secret_kinds, &before.secret_kinds),
            secret_kinds_removed: missing(&before.secret_kinds, &after.secret_kinds),
            special_paths: special_paths(before, after),
            sealed_secrets: sealed_secrets(&old.secrets, &new.secrets),
            changes: old.surface.as_ref().ok().zip(new.surface.as_ref().ok()).map(|(old, new)| changes(old, new)),
        };
        difference.incompatibilities = difference.find_incompatibilities(old, new);
        let unknown = [&old.surface, &new.surface].into_iter().filter_map(|surface| surface.as_ref().err().cloned());
        difference.incompatibilities.extend(unknown);
        difference
    }

    fn find_incompatibilities(&self, old: &Side, new: &Side) -> Vec<String> {
        let mut found: Vec<_> =
            Incompatibility::between(&old.manifest(), &new.manifest()).iter().map(Incompatibility::to_string).collect();
        if old.id.engine == new.id.engine && old.digest != new.digest {
            found.extend(version_incompatibility(&old.id, &new.id));
        }
        if !self.special_paths.is_empty() {
            found.push("its special paths differ, which the server learns with `plugin reload` only".to_owned());
        }
        found
    }
}

/// Why the version of the new module is no update; `None` if it is.
fn version_incompatibility(old: &ModuleId, new: &ModuleId) -> Option<String> {
    let (old, new) = (&old.version, &new.version);
    match new.cmp(old) {
        Ordering::Equal => Some(format!("it has the same version, {new}, and other content: give it another version")),
        Ordering::Less => Some(format!("its version is lower: {new} after {old}; only a pinned one may run")),
        Ordering::Greater => None,
    }
}

fn revert(old: &Side, new: &Side) -> Revert {
    let (before, after) = (old.description.storage_versions, new.description.storage_versions);
    if old.id.engine != new.id.engine {
        return Revert { possible: false, text: "no engine reads what another one writes".to_owned() };
    }
    let possible = (before.readable_from..=before.written).contains(&after.written);
    let text = if possible {
        format!("the old one reads storage version {}, which the new one writes", after.written)
    } else {
        let (written, from, to) = (after.written, before.readable_from, before.written);
        format!("the new one writes storage version {written}, and the old one reads {from} to {to}")
    };
    Revert { possible, text }
}

fn sealed_secrets(old: &Declaration, new: &Declaration) -> Vec<String> {
    let (old, new) = (old.lines(), new.lines());
    let gone = missing(&old, &new).into_iter().map(|line| format!("no more: {line}"));
    gone.chain(missing(&new, &old).into_iter().map(|line| format!("new: {line}"))).collect()
}

/// The items of `all` that are not in `others`.
fn missing<T: Clone + PartialEq>(all: &[T], others: &[T]) -> Vec<T> {
    all.iter().filter(|item| !others.contains(item)).cloned().collect()
}

fn special_paths(before: &Description, after: &Description) -> Vec<String> {
    let (old, new) = (&before.special_paths, &after.special_paths);
    let rows = [
        (&new.root, &old.root, "needs `sudo` now"),
        (&old.root, &new.root, "does not need `sudo` any more"),
        (&new.unauthenticated, &old.unauthenticated, "needs no token: ANYBODY can use it"),
        (&old.unauthenticated, &new.unauthenticated, "needs a token now"),
        (&new.seal_wrap_storage, &old.seal_wrap_storage, "(storage) is wrapped by the seal now"),
        (&old.seal_wrap_storage, &new.seal_wrap_storage, "(storage) is not wrapped by the seal any more"),
        (&new.local_storage, &old.local_storage, "(storage) is not replicated any more"),
        (&old.local_storage, &new.local_storage, "(storage) is replicated now"),
    ];
    let texts = |(all, others, text): (&Vec<String>, &Vec<String>, &'static str)| {
        missing(all, others).into_iter().map(move |path| format!("`{path}` {text}"))
    };
    rows.into_iter().flat_map(texts).collect()
}

impl Named {
    fn new(side: &Side) -> Self {
        Self {
            file: side.file.clone(),
            engine: side.id.engine.clone(),
            version: side.id.version.to_string(),
            sha256: side.digest.to_string(),
            storage_version_written: side.description.storage_versions.written,
            storage_version_readable_from: side.description.storage_versions.readable_from,
        }
    }
}

impl Report for Difference {
    fn text(&self) -> String {
        let mut text = format!(
            "{} {} ({})\n  -> {} {} ({})\n",
            self.old.engine, self.old.version, self.old.file, self.new.engine, self.new.version, self.new.file
        );
        if self.old.sha256 == self.new.sha256 {
            return printable(&(text + "\nThe same bytes.\n"));
        }
        let said = |change: &&Change| change.text.clone();
        let (breaking, other): (Vec<_>, Vec<_>) = self.changes.iter().flatten().partition(|change| change.breaking);
        let revert = format!("{}: {}", if self.revert.possible { "yes" } else { "NO" }, self.revert.text);
        let capabilities = [
            said_of(&self.capabilities_added, "is new"),
            said_of(&self.capabilities_removed, "is not asked for any more"),
        ];
        let kinds = [said_of(&self.secret_kinds_added, "is new"), said_of(&self.secret_kinds_removed, "is gone")];
        let sections: [(&str, Vec<String>); 8] = [
            ("Is not activated automatically", self.incompatibilities.clone()),
            ("Would a revert be possible", vec![revert]),
            ("Clients may fail", breaking.iter().map(said).collect()),
            ("Special paths", self.special_paths.clone()),
            ("Capabilities", capabilities.concat()),
            ("Secret kinds", kinds.concat()),
            ("Secrets that the host keeps from it", self.sealed_secrets.clone()),
            ("Also new or changed", other.iter().map(said).collect()),
        ];
        for (title, lines) in sections.iter().filter(|(_, lines)| !lines.is_empty()) {
            text += &format!("\n{title}:\n  - {}\n", lines.join("\n  - "));
        }
        if self.changes.as_ref().is_some_and(Vec::is_empty) {
            text += "\nPaths, operations and fields are the same.\n";
        }
        printable(&text)
    }
}

fn said_of(things: &[impl std::fmt::Display], text: &str) -> Vec<String> {
    things.iter().map(|thing| format!("{thing} {text}")).collect()
}

#[cfg(test)]
mod tests;
