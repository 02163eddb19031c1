//! The special paths that a mount advertised to the server: paths that need `sudo`, and paths that need no token.
//!
//! The server asks once each time it loads a mount. A module with other special paths must wait for the next load,
//! because the server would leave a path open that needs `sudo`. When another process takes over the mounts of a
//! process that ended, the server does not ask again. The advertised paths are therefore stored, unless they are those
//! of the last active module.

use std::sync::{Arc, MutexGuard, PoisonError};

use envelope::SpecialPaths;

use super::active::Active;
use super::mailbox::Lifecycle;
use super::paths::{Paths, paths_of};
use super::state::State;
use super::{ModuleController, ServeError};
use crate::{LoadedModule, Rejection};

/// The next step for the operator.
const NEEDS_RELOAD: &str =
    "its special paths differ from those at the last load of the mount: it goes live with `plugin reload`";

/// The special paths that the mount advertised, or may still advertise.
pub(super) enum AdvertisedPaths {
    /// The mount may still advertise any special paths.
    Open {
        /// The server has asked this process.
        is_asked: bool,
        /// The paths to advertise if no module serves.
        assumed: Option<Paths>,
    },
    /// The mount advertised these paths: a module with other ones is not activated.
    Settled(Paths),
}

impl Default for AdvertisedPaths {
    fn default() -> Self {
        Self::Open { is_asked: false, assumed: None }
    }
}

impl AdvertisedPaths {
    fn check(&self, loaded: &LoadedModule) -> Result<(), Rejection> {
        match self {
            Self::Settled(told) if *told != paths_of(loaded) => Err(Rejection::Permanent(NEEDS_RELOAD.to_owned())),
            _ => Ok(()),
        }
    }

    fn settled(&self) -> Option<&Paths> {
        match self {
            Self::Open { .. } => None,
            Self::Settled(told) => Some(told),
        }
    }

    fn set_asked(&mut self) {
        if let Self::Open { is_asked, .. } = self {
            *is_asked = true;
        }
    }

    /// The server has asked: settles the paths of the serving module, or else the assumed ones.
    fn settle(&mut self, serving: Option<Paths>) {
        if let Self::Open { is_asked: true, assumed } = self
            && let Some(told) = serving.or_else(|| assumed.take())
        {
            *self = Self::Settled(told);
        }
    }

    /// Sets the paths to advertise if no module serves. If the server has not asked this process, it has asked an
    /// earlier one: then the stored paths are settled.
    fn assume(&mut self, known: Option<Paths>, stored: Option<&Paths>) {
        match self {
            Self::Open { is_asked: true, assumed } => *assumed = known,
            Self::Open { is_asked: false, .. } => *self = Self::Settled(stored.cloned().or(known).unwrap_or_default()),
            Self::Settled(_) => {}
        }
    }
}

impl ModuleController {
    /// The special paths of the serving module, or else of the last active module, or else of the embedded one. From
    /// now on no module with other special paths is activated.
    ///
    /// # Errors
    /// When no module may serve and none is known that may. The server then assumes that the mount has no special
    /// paths, and no module with special paths is activated.
    pub async fn special_paths(&self) -> Result<SpecialPaths, ServeError> {
        self.advertised().set_asked();
        // The answer needs the module at the end of the first pass. Another module may serve before that.
        let is_starting = self.mailbox.lifecycle() == Lifecycle::Starting;
        let started = if is_starting { self.start().await } else { Ok(()) };
        let serving = match started {
            Ok(()) => self.serving(0).await,
            Err(rejection) => Err(ServeError::NoModule(rejection)),
        };
        let embedded = self.source.embedded().await.ok();
        self.settle_advertised();
        let mut advertised = self.advertised();
        let told = advertised.settled().map(SpecialPaths::from);
        match (told, serving) {
            (None, Err(error)) => {
                let embedded = embedded.filter(|embedded| self.is_own(&embedded.id.engine));
                let known = embedded.map(|embedded| paths_of(&embedded));
                *advertised = AdvertisedPaths::Settled(known.clone().unwrap_or_default());
                known.map(|paths| SpecialPaths::from(&paths)).ok_or(error)
            }
            (told, _) => Ok(told.unwrap_or_default()),
        }
    }

    /// Settles the advertised paths, if the server has asked and a module is known.
    pub(super) fn settle_advertised(&self) {
        let mut advertised = self.advertised();
        let serving = self.active.load_full();
        advertised.settle(serving.map(|active| paths_of(&active.loaded)));
    }

    /// Assumes the special paths of the last active module, else of the embedded one.
    pub(super) fn assume_advertised(&self, state: &State, embedded: &LoadedModule) {
        let last_active = state.last_active.as_ref().filter(|record| self.is_own(&record.manifest.engine));
        let embedded = || self.is_own(&embedded.id.engine).then(|| paths_of(embedded));
        let known = last_active.map(|record| record.manifest.paths()).or_else(embedded);
        self.advertised().assume(known, state.advertised.as_ref());
    }

    fn is_own(&self, engine: &str) -> bool {
        self.options.engine.as_deref().is_none_or(|own| own == engine)
    }

    fn advertised(&self) -> MutexGuard<'_, AdvertisedPaths> {
        self.advertised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// When the special paths of the module differ from the advertised ones.
    pub(super) fn check_advertised(&self, loaded: &LoadedModule) -> Result<(), Rejection> {
        self.advertised().check(loaded)
    }

    /// Makes a module the active one: later requests go to this module.
    ///
    /// # Errors
    /// When the mount advertised other special paths in the meantime.
    pub(super) fn swap_active(&self, active: Arc<Active>) -> Result<Option<Arc<Active>>, Rejection> {
        let advertised = self.advertised();
        advertised.check(&active.loaded)?;
        let replaced = self.active.swap(Some(active));
        self.activated.notify_waiters();
        Ok(replaced)
    }

    /// The state, with the advertised paths if they differ from those of the last active module.
    pub(super) fn with_advertised(&self, mut state: State) -> State {
        let last_active = state.last_active.as_ref().map(|record| record.manifest.paths());
        let told = self.advertised().settled().cloned();
        state.advertised = told.filter(|told| last_active.is_some_and(|paths| paths != *told));
        state
    }
}
