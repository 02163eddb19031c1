//! What is known of a module that ran or may run, apart from its code: enough to judge whether another one may
//! take its place, also when it is not there any more.

use std::collections::BTreeSet;

use component_runtime::{SpecialPaths, StorageVersions};
use semver::Version;
use serde::{Deserialize, Serialize};

use super::state::Text;
use crate::{Digest, LoadedModule, ModuleId};

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Its engine's name.
    pub engine: String,
    /// Its version.
    pub version: Text<Version>,
    /// Of its bytes.
    pub digest: Text<Digest>,
    /// The version of what it writes to storage.
    pub storage_written: u32,
    /// The oldest that it reads.
    pub storage_readable_from: u32,
    /// Kinds of secrets whose leases it renews and revokes.
    pub secret_kinds: BTreeSet<String>,
    /// What it asks of the host, by name.
    pub capabilities: BTreeSet<String>,
    /// Paths that need no token.
    pub unauthenticated: BTreeSet<String>,
    /// Paths that need `sudo`.
    pub sudo: BTreeSet<String>,
}

impl Facts {
    /// As it describes itself.
    pub(super) fn of(loaded: &LoadedModule) -> Self {
        let description = loaded.module.description();
        let StorageVersions { written, readable_from } = description.storage_versions;
        Self {
            engine: loaded.id.engine.clone(),
            version: Text(loaded.id.version.clone()),
            digest: Text(loaded.digest),
            storage_written: written,
            storage_readable_from: readable_from,
            secret_kinds: description.secret_kinds.iter().cloned().collect(),
            capabilities: loaded.capabilities().iter().map(|capability| capability.name().to_owned()).collect(),
            unauthenticated: description.special_paths.unauthenticated.iter().cloned().collect(),
            sudo: description.special_paths.root.iter().cloned().collect(),
        }
    }

    /// Engine and version.
    pub(super) fn id(&self) -> ModuleId {
        ModuleId { engine: self.engine.clone(), version: self.version.0.clone() }
    }

    /// What it asks for more than another one, in the words by which an operator accepts it.
    pub(super) fn asks_more_than(&self, other: &Self) -> BTreeSet<String> {
        let capabilities = self.capabilities.difference(&other.capabilities).cloned();
        let open =
            self.unauthenticated.difference(&other.unauthenticated).map(|path| format!("unauthenticated:{path}"));
        let no_sudo = other.sudo.difference(&self.sudo).map(|path| format!("no-sudo:{path}"));
        capabilities.chain(open).chain(no_sudo).collect()
    }

    /// Can it read what the other one wrote, for all that both say?
    pub(super) fn reads_what_is_written_by(&self, other: &Self) -> bool {
        (self.storage_readable_from..=self.storage_written).contains(&other.storage_written)
    }
}

/// Does the server treat the same paths in the same way? Their order says nothing.
pub(super) fn same_special_paths(one: &SpecialPaths, other: &SpecialPaths) -> bool {
    let lists = |paths: &SpecialPaths| {
        let SpecialPaths { root, unauthenticated, local_storage, seal_wrap_storage } = paths;
        [root, unauthenticated, local_storage, seal_wrap_storage]
            .map(|list| list.iter().cloned().collect::<BTreeSet<_>>())
    };
    lists(one) == lists(other)
}
