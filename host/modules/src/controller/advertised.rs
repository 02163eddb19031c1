//! The special paths that the server was told of a mount: which paths need `sudo`, and which need no token.
//!
//! It asks once for each load of a mount, so no module with others may serve before the next: a path that needs
//! `sudo` would be open. When a process ends and another one takes over its mounts, the server does not ask again;
//! what it was told then is what is stored, or what ran last has.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};

use component_runtime::SpecialPaths;
use serde::{Deserialize, Serialize};

use super::active::Active;
use super::state::State;
use super::{ModuleController, ServeError};
use crate::{LoadedModule, Rejection};

/// What an operator does about it.
const TAKES_RELOAD: &str =
    "its special paths are others than the server was told when it loaded the mount: it goes live with `plugin reload`";

/// What a binding knows of it.
#[derive(Default)]
pub(super) struct AdvertisedPaths {
    /// None as long as the server may still be told anything.
    advertised: Option<Paths>,
    /// What it is to be told if nothing serves.
    assumed: Option<Paths>,
}

impl AdvertisedPaths {
    fn check(&self, loaded: &LoadedModule) -> Result<(), Rejection> {
        let same = self.advertised.as_ref().is_none_or(|advertised| *advertised == paths_of(loaded));
        if same { Ok(()) } else { Err(Rejection::Permanent(TAKES_RELOAD.to_owned())) }
    }
}

/// Special paths, whose order says nothing.
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

fn paths_of(loaded: &LoadedModule) -> Paths {
    Paths::from(&loaded.module.description().special_paths)
}

impl ModuleController {
    /// The special paths of the module that serves, else of the one that may serve later: what ran last, or the
    /// embedded one. From now on no module with others goes live.
    ///
    /// # Errors
    /// When no module may serve and none is known that may. The server goes on without special paths then, and no
    /// module with any goes live.
    pub async fn special_paths(self: &Arc<Self>) -> Result<SpecialPaths, ServeError> {
        self.asked.store(true, Ordering::Release);
        // Of what the first look ends with, not of what goes on meanwhile.
        let started = if self.started.load(Ordering::Acquire) { Ok(()) } else { self.start().await };
        let serving = match started {
            Ok(()) => self.serving().await,
            Err(rejection) => Err(ServeError::NoModule(rejection)),
        };
        let embedded = self.source.embedded().await.ok();
        self.settle_advertised();
        let mut advertised = self.advertised();
        match (&advertised.advertised, serving) {
            (None, Err(error)) => {
                let embedded = embedded.filter(|embedded| self.is_own(&embedded.id.engine));
                let known = embedded.map(|embedded| paths_of(&embedded));
                let paths = advertised.advertised.insert(known.clone().unwrap_or_default());
                known.map(|_| SpecialPaths::from(&*paths)).ok_or(error)
            }
            (known, _) => Ok(SpecialPaths::from(known.as_ref().unwrap_or(&Paths::default()))),
        }
    }

    /// Settles what the server is told, if it asked and anything is known of what it should be told.
    pub(super) fn settle_advertised(&self) {
        let mut advertised = self.advertised();
        if self.asked.load(Ordering::Acquire) && advertised.advertised.is_none() {
            let serving = self.active.load_full().map(|active| paths_of(&active.loaded));
            advertised.advertised = serving.or_else(|| advertised.assumed.clone());
        }
    }

    /// What is to be told where nothing serves: the special paths of what should. A start for a request has that
    /// for told: the server has not asked this process, so it asked another one.
    pub(super) fn assume_advertised(&self, state: &State, embedded: &LoadedModule) {
        let record = state
            .last_active
            .as_ref()
            .filter(|record| self.is_own(&record.manifest.engine))
            .map(|record| record.manifest.paths());
        let embedded = || self.is_own(&embedded.id.engine).then(|| paths_of(embedded));
        let mut advertised = self.advertised();
        advertised.assumed = record.or_else(embedded);
        if !self.asked.load(Ordering::Acquire) && advertised.advertised.is_none() {
            advertised.advertised =
                Some(state.advertised.clone().or_else(|| advertised.assumed.clone()).unwrap_or_default());
        }
    }

    fn is_own(&self, engine: &str) -> bool {
        self.options.engine.as_deref().is_none_or(|own| own == engine)
    }

    fn advertised(&self) -> MutexGuard<'_, AdvertisedPaths> {
        self.advertised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// When this module has other special paths than the server was told.
    pub(super) fn check_advertised(&self, loaded: &LoadedModule) -> Result<(), Rejection> {
        self.advertised().check(loaded)
    }

    /// All requests from here on go to this module, unless the server was told otherwise by now.
    ///
    /// # Errors
    /// As `check_told`.
    pub(super) fn swap_active(&self, active: Arc<Active>) -> Result<Option<Arc<Active>>, Rejection> {
        let advertised = self.advertised();
        advertised.check(&active.loaded)?;
        let replaced = self.active.swap(Some(active));
        self.live.notify_waiters();
        Ok(replaced)
    }

    /// The state, with what the server was told where that is not what the module has that should run.
    pub(super) fn with_advertised(&self, mut state: State) -> State {
        let record = state.last_active.as_ref().map(|record| record.manifest.paths());
        state.advertised = self
            .advertised()
            .advertised
            .clone()
            .filter(|advertised| record.is_some_and(|record| record != *advertised));
        state
    }
}
