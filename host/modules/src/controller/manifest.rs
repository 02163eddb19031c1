//! The part of a module's description that the update check needs. The manifest of the last active module is stored, so
//! that candidates can be compared with it after its file is gone.

use std::collections::BTreeSet;

use component_runtime::{Capability, Declaration, Description, StorageVersions};
use semver::Version;
use serde::{Deserialize, Serialize};

use super::paths::Paths;
use super::text::Text;
use crate::{Digest, LoadedModule, ModuleId};

/// The part of a module's description that the update check compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleManifest {
    /// Name of the engine.
    pub(super) engine: String,
    /// Version of the module.
    pub(super) version: Text<Version>,
    /// SHA-256 of the module's bytes.
    pub(super) digest: Text<Digest>,
    /// Version of the storage that the module writes.
    pub(super) storage_written: u32,
    /// Oldest version of the storage that the module reads.
    pub(super) storage_readable_from: u32,
    /// Kinds of secrets whose leases the module renews and revokes.
    pub(super) secret_kinds: BTreeSet<String>,
    /// Names of the capabilities that the module imports.
    pub(super) capabilities: BTreeSet<String>,
    /// Paths that need no token.
    pub(super) unauthenticated: BTreeSet<String>,
    /// Paths that need `sudo`.
    pub(super) sudo: BTreeSet<String>,
    /// Storage that is not replicated.
    #[serde(default)]
    pub(super) local_storage: BTreeSet<String>,
    /// Storage that the seal wraps.
    #[serde(default)]
    pub(super) seal_wrap: BTreeSet<String>,
    /// Declaration of the module's secrets.
    #[serde(default, skip_serializing_if = "Declaration::is_empty")]
    pub(super) secrets: Declaration,
}

impl ModuleManifest {
    /// The manifest of a loaded module.
    pub(super) fn of(loaded: &LoadedModule) -> Self {
        let module = &loaded.module;
        Self::new(&loaded.id, loaded.digest, module.description(), loaded.capabilities(), module.declaration())
    }

    /// A manifest from a module's description and its imports.
    #[must_use]
    pub fn new(
        id: &ModuleId,
        digest: Digest,
        description: &Description,
        capabilities: &BTreeSet<Capability>,
        secrets: &Declaration,
    ) -> Self {
        let StorageVersions { written, readable_from } = description.storage_versions;
        let Paths { unauthenticated, sudo, local_storage, seal_wrap } = Paths::from(&description.special_paths);
        Self {
            engine: id.engine.clone(),
            version: Text(id.version.clone()),
            digest: Text(digest),
            storage_written: written,
            storage_readable_from: readable_from,
            secret_kinds: description.secret_kinds.iter().cloned().collect(),
            capabilities: capabilities.iter().map(|capability| capability.name().to_owned()).collect(),
            unauthenticated,
            sudo,
            local_storage,
            seal_wrap,
            secrets: secrets.clone(),
        }
    }

    /// Engine and version.
    pub(super) fn id(&self) -> ModuleId {
        ModuleId { engine: self.engine.clone(), version: self.version.0.clone() }
    }

    /// The module's special paths, which the mount advertises.
    pub(super) fn paths(&self) -> Paths {
        let Self { unauthenticated, sudo, local_storage, seal_wrap, .. } = self.clone();
        Paths { unauthenticated, sudo, local_storage, seal_wrap }
    }

    /// Words for what this module asks for beyond another module of its engine: capabilities, paths, and places where
    /// secrets may go. An operator accepts the update with these words. The first module of its engine on a mount needs
    /// acceptance for its paths without a token only.
    pub(super) fn asks_more_than(&self, other: Option<&Self>) -> BTreeSet<String> {
        let Some(other) = other.filter(|other| other.engine == self.engine) else {
            return self.unauthenticated.iter().map(|path| unauthenticated_word(path)).collect();
        };
        let capabilities = self.capabilities.difference(&other.capabilities).cloned();
        let open = self.unauthenticated.difference(&other.unauthenticated).map(|path| unauthenticated_word(path));
        let no_sudo = other.sudo.difference(&self.sudo).map(|path| format!("no-sudo:{path}"));
        capabilities.chain(open).chain(no_sudo).chain(self.secret_exits_beyond(Some(other))).collect()
    }

    /// Places where this module sends secrets and another module of its engine did not.
    pub(super) fn secret_exits_beyond(&self, other: Option<&Self>) -> BTreeSet<String> {
        let other = other.filter(|other| other.engine == self.engine);
        other.map(|other| self.secrets.exits_beyond(&other.secrets)).unwrap_or_default()
    }

    /// Can this module read the storage of the other one, according to both manifests?
    pub(super) fn reads_what_is_written_by(&self, other: &Self) -> bool {
        (self.storage_readable_from..=self.storage_written).contains(&other.storage_written)
    }
}

fn unauthenticated_word(path: &str) -> String {
    format!("unauthenticated:{path}")
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A manifest of the engine `tiny`. The bytes are the name: `2.0.0`, or `2.0.0!other` for other bytes of the same
    /// version.
    pub(in super::super) fn manifest(name: &str) -> ModuleManifest {
        let (text, _) = name.split_once('!').unwrap_or((name, ""));
        let set = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect::<BTreeSet<_>>();
        ModuleManifest {
            engine: "tiny".into(),
            version: Text(text.parse().unwrap()),
            digest: Text(Digest::of(name.as_bytes())),
            storage_written: 1,
            storage_readable_from: 1,
            secret_kinds: set(&["token"]),
            capabilities: set(&["storage"]),
            unauthenticated: set(&[]),
            sudo: set(&["admin"]),
            local_storage: set(&[]),
            seal_wrap: set(&[]),
            secrets: Declaration::default(),
        }
    }
}
