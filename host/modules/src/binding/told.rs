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
use super::{Binding, ServeError};
use crate::{Failure, LoadedModule, Refusal};

/// What an operator does about it.
const TAKES_RELOAD: &str =
    "its special paths are others than the server was told when it loaded the mount: it goes live with `plugin reload`";

/// What a binding knows of it.
#[derive(Default)]
pub(super) struct Told {
    /// None as long as the server may still be told anything.
    told: Option<Paths>,
    /// What it is to be told if nothing serves.
    assumed: Option<Paths>,
}

impl Told {
    fn check(&self, loaded: &LoadedModule) -> Result<(), Failure> {
        let same = self.told.as_ref().is_none_or(|told| *told == paths_of(loaded));
        if same { Ok(()) } else { Err(Failure::Lasting(Refusal(TAKES_RELOAD.to_owned()))) }
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

impl Binding {
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
            Err(refusal) => Err(ServeError::NoModule(refusal)),
        };
        let embedded = self.source.embedded().await.ok();
        self.tell();
        let mut told = self.told();
        match (&told.told, serving) {
            (None, Err(error)) => {
                let embedded = embedded.filter(|embedded| self.is_own(&embedded.id.engine));
                let known = embedded.map(|embedded| paths_of(&embedded));
                let paths = told.told.insert(known.clone().unwrap_or_default());
                known.map(|_| SpecialPaths::from(&*paths)).ok_or(error)
            }
            (known, _) => Ok(SpecialPaths::from(known.as_ref().unwrap_or(&Paths::default()))),
        }
    }

    /// Settles what the server is told, if it asked and anything is known of what it should be told.
    pub(super) fn tell(&self) {
        let mut told = self.told();
        if self.asked.load(Ordering::Acquire) && told.told.is_none() {
            let serving = self.active.load_full().map(|active| paths_of(&active.loaded));
            told.told = serving.or_else(|| told.assumed.clone());
        }
    }

    /// What is to be told where nothing serves: the special paths of what should. A start for a request has that
    /// for told: the server has not asked this process, so it asked another one.
    pub(super) fn assume_told(&self, state: &State, embedded: &LoadedModule) {
        let ran = state.running.as_ref().filter(|ran| self.is_own(&ran.facts.engine)).map(|ran| ran.facts.paths());
        let embedded = || self.is_own(&embedded.id.engine).then(|| paths_of(embedded));
        let mut told = self.told();
        told.assumed = ran.or_else(embedded);
        if !self.asked.load(Ordering::Acquire) && told.told.is_none() {
            told.told = Some(state.told.clone().or_else(|| told.assumed.clone()).unwrap_or_default());
        }
    }

    fn is_own(&self, engine: &str) -> bool {
        self.options.engine.as_deref().is_none_or(|own| own == engine)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// When this module has other special paths than the server was told.
    pub(super) fn check_told(&self, loaded: &LoadedModule) -> Result<(), Failure> {
        self.told().check(loaded)
    }

    /// All requests from here on go to this module, unless the server was told otherwise by now.
    ///
    /// # Errors
    /// As `check_told`.
    pub(super) fn put_live(&self, active: Arc<Active>) -> Result<Option<Arc<Active>>, Failure> {
        let told = self.told();
        told.check(&active.loaded)?;
        let replaced = self.active.swap(Some(active));
        self.live.notify_waiters();
        Ok(replaced)
    }

    /// The state, with what the server was told where that is not what the module has that should run.
    pub(super) fn with_told(&self, mut state: State) -> State {
        let ran = state.running.as_ref().map(|ran| ran.facts.paths());
        state.told = self.told().told.clone().filter(|told| ran.is_some_and(|ran| ran != *told));
        state
    }
}
