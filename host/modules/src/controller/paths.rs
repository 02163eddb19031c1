//! Special paths of a module.

use std::collections::BTreeSet;

use envelope::SpecialPaths;
use serde::{Deserialize, Serialize};

use crate::LoadedModule;

/// Special paths without an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Paths {
    pub(super) unauthenticated: BTreeSet<String>,
    pub(super) sudo: BTreeSet<String>,
    pub(super) local_storage: BTreeSet<String>,
    pub(super) seal_wrap: BTreeSet<String>,
}

impl From<&SpecialPaths> for Paths {
    fn from(paths: &SpecialPaths) -> Self {
        let SpecialPaths { root, unauthenticated, local_storage, seal_wrap_storage } = paths;
        let [unauthenticated, sudo, local_storage, seal_wrap] =
            [unauthenticated, root, local_storage, seal_wrap_storage].map(|list| list.iter().cloned().collect());
        Self { unauthenticated, sudo, local_storage, seal_wrap }
    }
}

impl From<&Paths> for SpecialPaths {
    fn from(paths: &Paths) -> Self {
        let Paths { unauthenticated, sudo, local_storage, seal_wrap } = paths;
        let [unauthenticated, root, local_storage, seal_wrap_storage] =
            [unauthenticated, sudo, local_storage, seal_wrap].map(|set| set.iter().cloned().collect());
        Self { root, unauthenticated, local_storage, seal_wrap_storage }
    }
}

/// The special paths of a loaded module.
pub(super) fn paths_of(loaded: &LoadedModule) -> Paths {
    Paths::from(&loaded.module.description().special_paths)
}
