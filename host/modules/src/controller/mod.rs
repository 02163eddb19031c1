//! Which module serves one mount.
//!
//! A [`ModuleController`] is what a mount's requests go through. It chooses a module when it starts, goes live with a better
//! one when told to look, and goes back when that one fails. Requests take the module that serves without a lock and
//! keep it until they are answered; all changes are made by one at a time.
//!
//! The order of a change is: read, verify, compile, link, describe, judge, probe, store, switch. A failure before the
//! last step leaves everything as it was. What is stored says what ran, so that a start after a crash at any step
//! judges by it.

mod activate;
mod active;
mod advertised;
mod call;
mod controllers;
mod failed_attempts;
mod manifest;
mod options;
mod probe;
mod reconcile;
mod report;
mod revert;
mod schedule;
mod select;
mod select_request;
mod source;
mod state;
mod store;
mod task;
mod update_check;
mod work_queue;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption};
use component_runtime::capability::Storage;
use component_runtime::{InvokeError, Mount, Request, Response, Runtime};
use thiserror::Error;
use tokio::sync::{Mutex, Notify};

use crate::{Digest, LoadedModule, ModuleId, Rejection};
use active::Active;
use advertised::AdvertisedPaths;
use failed_attempts::FailedAttempts;
use options::Options;
use schedule::Timer;
use state::State;
use work_queue::PendingReverts;

pub use call::{CallError, Done};
pub use controllers::ModuleControllers;
pub use manifest::ModuleManifest;
pub use report::{CandidateReport, Condition, Report, Serving};
pub use select_request::{SelectRequest, VersionSelector};
pub use source::Source;
pub use state::state_key;
pub use update_check::Incompatibility;

/// What a binding is made for.
pub struct ControllerSettings {
    /// The mount that it serves.
    pub mount: Arc<Mount>,
    /// Its storage, for the host's own part of it. None while the plugin is only being registered.
    pub storage: Option<Arc<dyn Storage>>,
    /// The mount's options; `module` and `module_version` are read.
    pub options: BTreeMap<String, String>,
}

/// See the module's head.
pub struct ModuleController {
    source: Arc<dyn Source>,
    runtime: Runtime,
    mount: Arc<Mount>,
    /// None = nothing is kept, the embedded module serves.
    storage: Option<Arc<dyn Storage>>,
    options: Options,
    active: ArcSwapOption<Active>,
    started: AtomicBool,
    /// The server has asked for the special paths.
    asked: AtomicBool,
    /// What it was told. Nothing goes live while it is settled.
    advertised: std::sync::Mutex<AdvertisedPaths>,
    /// The stored state was changed by another node.
    stale: AtomicBool,
    /// Somebody waits to look again.
    triggered: AtomicBool,
    /// Something did since the last look began.
    changed: AtomicBool,
    /// See `close`.
    closed: AtomicBool,
    /// Told when a module goes live.
    live: Notify,
    pending_reverts: PendingReverts,
    work: Arc<Mutex<Work>>,
    report: ArcSwap<Report>,
}

/// What belongs to the one who makes a change.
#[derive(Default)]
struct Work {
    state: Option<State>,
    /// This node cannot write: what is kept here is not in storage.
    unsaved: bool,
    /// See there.
    failed_attempts: FailedAttempts,
    /// What the log has said already.
    logged: BTreeMap<(ModuleId, Digest), String>,
    /// Kept loaded to go back to.
    previous: Option<Arc<LoadedModule>>,
    /// Looks in a row after which something was not as it should be.
    troubled: u32,
    /// The next look that nothing else causes.
    timer: Option<Timer>,
}

/// Why a request was not served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// There is no module that may serve this mount: come back later.
    #[error(transparent)]
    NoModule(Rejection),
    /// See there.
    #[error(transparent)]
    Invoke(InvokeError),
}

impl ModuleController {
    /// A binding of this mount. Storage is not asked yet: it may not answer before the mount is set up.
    ///
    /// # Errors
    /// When the mount's options ask for what cannot be, or the embedded module does not run here.
    pub async fn open(
        source: Arc<dyn Source>,
        runtime: Runtime,
        settings: ControllerSettings,
    ) -> Result<Arc<Self>, Rejection> {
        let options = Options::parse(&settings.options)?;
        let storage = settings.storage.filter(|_| source.has_directory());
        let controller = Self {
            source,
            runtime,
            mount: settings.mount,
            options,
            active: ArcSwapOption::empty(),
            started: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            advertised: std::sync::Mutex::default(),
            stale: AtomicBool::new(false),
            triggered: AtomicBool::new(false),
            changed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            live: Notify::new(),
            pending_reverts: PendingReverts::default(),
            work: Arc::default(),
            report: ArcSwap::default(),
            storage,
        };
        if controller.storage.is_none() {
            controller.serve_embedded().await?;
        }
        Ok(Arc::new(controller))
    }

    async fn serve_embedded(&self) -> Result<(), Rejection> {
        let embedded = self.source.embedded().await?;
        self.options.refuse_all_but(&embedded)?;
        self.active.store(Some(Active::proven(embedded, SystemTime::now())));
        self.started.store(true, Ordering::Release);
        Ok(())
    }

    /// Serves one request by the module that serves when it comes.
    ///
    /// # Errors
    /// See there.
    pub async fn handle_request(self: &Arc<Self>, request: Request) -> Result<Option<Response>, ServeError> {
        let active = self.serving().await?;
        let answer = active.loaded.module.handle_request(&self.mount, request).await;
        self.count(&active, answer.as_ref().err());
        answer.map_err(ServeError::Invoke)
    }

    /// As `handle_request`, for an existence check.
    ///
    /// # Errors
    /// See there.
    pub async fn check_existence(self: &Arc<Self>, request: Request) -> Result<Option<bool>, ServeError> {
        let active = self.serving().await?;
        let answer = active.loaded.module.check_existence(&self.mount, request).await;
        self.count(&active, answer.as_ref().err());
        answer.map_err(ServeError::Invoke)
    }

    /// Another node changed this storage key.
    pub fn invalidate(self: &Arc<Self>, key: &str) {
        if self.storage.is_some() && key == state_key() {
            self.stale.store(true, Ordering::Release);
            self.trigger();
        }
    }

    /// What serves now, and what became of the candidates when they were last looked at.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut report = Report::clone(&self.report.load());
        let active = self.active.load_full();
        report.condition = match &active {
            None if self.started.load(Ordering::Acquire) => Condition::NothingServes,
            None => Condition::Starting,
            Some(active) if active.is_on_trial() => Condition::OnTrial,
            Some(_) => Condition::Serves,
        };
        report.serving = active.map(|active| Serving::from(&*active));
        report
    }

    async fn serving(self: &Arc<Self>) -> Result<Arc<Active>, ServeError> {
        if let Some(active) = self.wait_for_first().await? {
            return Ok(active);
        }
        let why = || self.report.load().why_nothing_serves(self.options.engine.as_deref());
        self.active.load_full().ok_or_else(|| ServeError::NoModule(why()))
    }

    /// A request need not wait for the end of the first look: what ran last serves before anything new is tried.
    async fn wait_for_first(self: &Arc<Self>) -> Result<Option<Arc<Active>>, ServeError> {
        let goes_live = self.live.notified();
        if let Some(active) = self.active.load_full() {
            return Ok(Some(active));
        }
        if !self.started.load(Ordering::Acquire) {
            tokio::select! {
                looked = self.start() => looked.map_err(ServeError::NoModule)?,
                () = goes_live => {}
            }
        }
        Ok(self.active.load_full())
    }

    fn count(self: &Arc<Self>, active: &Arc<Active>, fault: Option<&InvokeError>) {
        if active.failed_its_trial(fault) {
            self.auto_revert(Arc::clone(active));
        }
    }
}
