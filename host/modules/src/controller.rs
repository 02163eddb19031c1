//! Decides which module serves one mount.
//!
//! A mount's requests go through a [`ModuleController`]. Requests take the active module without a lock and keep it
//! until they are answered. The controller's task (`task.rs`) changes the active module, one message of its mailbox
//! (`mailbox.rs`) at a time: it reconciles the mount with the modules that are there, does what operators ask for, and
//! reverts to the previous module when the active one fails its trial.
//!
//! The order of a change is: read, verify, compile, link, describe, check the update, probe, store, activate. A failure
//! before the last step leaves everything as it was. The stored state names the last active module, so that a start
//! after a crash at any step compares candidates with that module.

mod activate;
mod active;
mod advertised;
mod call;
mod controllers;
mod failed_attempts;
mod load;
mod mailbox;
mod manifest;
mod options;
mod outcome;
mod paths;
mod probe;
mod reconcile;
mod report;
mod revert;
mod schedule;
mod select;
mod select_request;
mod state;
mod store;
mod task;
mod text;
mod update_check;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use arc_swap::{ArcSwap, ArcSwapOption};
use component_runtime::{InvokeError, Mount, Runtime, request_weight};
use envelope::{Request, Response, Storage};
use thiserror::Error;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use crate::limits::{START_WAITING_BYTES_MAX, START_WAITING_BYTES_MIN};
use crate::{Digest, LoadedModule, ModuleId, Rejection, Source};
use active::Active;
use advertised::AdvertisedPaths;
use failed_attempts::FailedAttempts;
use load::Load;
use mailbox::{Lifecycle, Mailbox, Message, Revert};
use options::Options;
use report::NO_MODULE;
use state::State;

pub use controllers::ModuleControllers;
pub use mailbox::UnreadableStorage;
pub use manifest::ModuleManifest;
pub use options::engine_option;
pub use outcome::{CallError, Done};
pub use report::{CandidateReport, Condition, Report, Serving};
pub use select_request::{SelectRequest, VersionSelector};
pub use state::state_key;
pub use update_check::Incompatibility;

/// Settings of a controller.
pub struct ControllerSettings {
    /// The mount that the controller serves.
    pub mount: Arc<Mount>,
    /// The mount's storage, for the state of modules. `None` while the server only registers the plugin.
    pub storage: Option<Arc<dyn Storage>>,
    /// The mount's options; `module` and `module_version` are read.
    pub options: BTreeMap<String, String>,
}

/// Serves the requests of one mount with the active module. The controller's task changes which module is active.
pub struct ModuleController {
    source: Arc<dyn Source>,
    runtime: Runtime,
    mount: Arc<Mount>,
    /// Storage of the state; `None` where only the embedded module serves.
    storage: Option<Arc<dyn Storage>>,
    options: Options,
    active: ArcSwapOption<Active>,
    /// Locked while a module is activated, so that the advertised special paths are those of the active module.
    advertised: std::sync::Mutex<AdvertisedPaths>,
    /// Notified when a module is activated.
    activated: Notify,
    /// Bytes that further requests may hold while they wait for the first module.
    waiting_bytes: Semaphore,
    mailbox: Arc<Mailbox>,
    loading: std::sync::Mutex<Weak<Load>>,
    report: ArcSwap<Report>,
    automatic_reverts: AtomicU64,
}

/// State of the controller's task.
#[derive(Default)]
struct Work {
    state: Option<State>,
    /// If true, the task reads the stored state before it uses the state.
    is_state_stale: bool,
    /// This node cannot write: the state is not in storage.
    unsaved: bool,
    failed_attempts: FailedAttempts,
    /// The reasons that are already in the log.
    logged: BTreeMap<(ModuleId, Digest), String>,
    /// The module that served before, kept loaded for a revert.
    previous: Option<Arc<LoadedModule>>,
    /// Passes in a row that ended with a problem.
    problems: u32,
    /// Time of the scheduled retry.
    retry_at: Option<Instant>,
}

/// Why a request was not served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// No module may serve this mount. The client should retry later.
    #[error(transparent)]
    NoModule(Rejection),
    /// The module was called, and the call failed.
    #[error(transparent)]
    Invoke(InvokeError),
}

impl ServeError {
    /// The error for the server. A mount without a module answers 503, so that the client retries.
    #[must_use]
    pub fn to_error(&self, request_id: Option<&str>) -> envelope::Error {
        match self {
            Self::Invoke(failure) => failure.to_error(request_id),
            Self::NoModule(rejection) => {
                let reason = rejection.text();
                let begin = if reason.starts_with(NO_MODULE) { String::new() } else { format!("{NO_MODULE}: ") };
                let message = format!("{begin}{reason}; a read of `module` says more");
                envelope::Error::Coded { code: 503, message }
            }
        }
    }

    /// The same error on a mount that the server is removing: the paths that the reasons name are closed then.
    #[must_use]
    pub fn on_tainted_mount(self) -> Self {
        match self {
            Self::NoModule(rejection) => Self::NoModule(Rejection::Permanent(format!(
                "{rejection}; the mount is being removed, and the server has closed its paths, those of `module` too: \
                 put the module back into its directory, or register the plugin with arguments that let it serve and \
                 reload, then repeat `vault secrets disable`; if that is not possible, run `vault lease revoke -force \
                 -prefix` with the path of the mount first, which asks no module"
            ))),
            error => error,
        }
    }
}

impl ModuleController {
    /// Creates the controller of a mount without reading storage: the server may not answer before it has set the mount
    /// up.
    ///
    /// # Errors
    /// When the mount's options select a module that cannot serve, or when the embedded module does not run on this
    /// machine.
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
            advertised: std::sync::Mutex::default(),
            loading: std::sync::Mutex::default(),
            activated: Notify::new(),
            waiting_bytes: Semaphore::new(START_WAITING_BYTES_MAX),
            mailbox: Arc::new(Mailbox::new()),
            report: ArcSwap::default(),
            automatic_reverts: AtomicU64::new(0),
            storage,
        };
        if controller.storage.is_none() {
            controller.serve_embedded().await?;
            return Ok(Arc::new(controller));
        }
        let controller = Arc::new(controller);
        task::start(&controller);
        Ok(controller)
    }

    async fn serve_embedded(&self) -> Result<(), Rejection> {
        let embedded = self.source.embedded().await?;
        self.options.refuse_all_but(&embedded)?;
        self.active.store(Some(Active::proven(embedded, SystemTime::now())));
        self.mailbox.set_started();
        Ok(())
    }

    /// Number of automatic reverts of this controller.
    pub fn automatic_reverts(&self) -> u64 {
        self.automatic_reverts.load(Ordering::Relaxed)
    }

    /// Serves one request with the module that is active when the request arrives.
    ///
    /// # Errors
    /// When no module may serve, or when the module fails.
    pub async fn handle_request(&self, request: Request) -> Result<Option<Response>, ServeError> {
        let active = self.serving(request_weight(&request)).await?;
        let answer = active.loaded.module.handle_request(&self.mount, request).await;
        self.count(&active, answer.as_ref().err());
        answer.map_err(ServeError::Invoke)
    }

    /// As `handle_request`, for an existence check.
    ///
    /// # Errors
    /// As `handle_request`.
    pub async fn check_existence(&self, request: Request) -> Result<Option<bool>, ServeError> {
        let active = self.serving(request_weight(&request)).await?;
        let answer = active.loaded.module.check_existence(&self.mount, request).await;
        self.count(&active, answer.as_ref().err());
        answer.map_err(ServeError::Invoke)
    }

    /// Another node changed this storage key.
    pub fn invalidate(&self, key: &str) {
        if self.storage.is_some() && key == state_key() {
            self.mailbox.invalidate_state();
            self.trigger();
        }
    }

    /// The active module, and the outcome of the last pass for each candidate.
    #[must_use]
    pub fn report(&self) -> Report {
        let mut report = Report::clone(&self.report.load());
        let active = self.active.load_full();
        report.condition = match &active {
            None if self.mailbox.lifecycle() == Lifecycle::Starting => Condition::Starting,
            None => Condition::NothingServes,
            Some(active) if active.is_on_trial() => Condition::OnTrial,
            Some(_) => Condition::Serves,
        };
        if active.is_none()
            && let Some(load) = self.loading()
        {
            report.problem.get_or_insert_with(|| load.to_string());
        }
        let sealed = active.as_ref().map(|active| active.loaded.module.sealed_secrets(&self.mount));
        report.sealed_secrets = sealed.unwrap_or_default();
        report.serving = active.map(|active| Serving::from(&*active));
        report
    }

    async fn serving(&self, bytes: usize) -> Result<Arc<Active>, ServeError> {
        if let Some(active) = self.wait_for_first(bytes).await? {
            return Ok(active);
        }
        let why = || self.report.load().why_nothing_serves(self.options.engine.as_deref());
        self.active.load_full().ok_or_else(|| ServeError::NoModule(why()))
    }

    /// Requests do not wait for the first pass to end: the last active module is served as soon as it is loaded, before
    /// any new candidate is tried. Until then a request has no permit and no memory account, so what all of them hold has a
    /// limit here.
    async fn wait_for_first(&self, bytes: usize) -> Result<Option<Arc<Active>>, ServeError> {
        let activated = self.activated.notified();
        if let Some(active) = self.active.load_full() {
            return Ok(Some(active));
        }
        if self.mailbox.lifecycle() == Lifecycle::Starting {
            let bytes = u32::try_from(bytes.max(START_WAITING_BYTES_MIN)).unwrap_or(u32::MAX);
            let full =
                |_| Rejection::Transient("too many requests wait for the mount's first module: try again".to_owned());
            let _place =
                self.waiting_bytes.try_acquire_many(bytes).map_err(|error| ServeError::NoModule(full(error)))?;
            tokio::select! {
                started = self.start() => started.map_err(ServeError::NoModule)?,
                () = activated => {}
            }
        }
        Ok(self.active.load_full())
    }

    fn count(&self, active: &Arc<Active>, fault: Option<&InvokeError>) {
        if active.failed_its_trial(fault) {
            self.mailbox.send(Message::Revert(Revert::FailedTrial(Arc::clone(active))));
        }
    }
}

impl Drop for ModuleController {
    fn drop(&mut self) {
        self.mailbox.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::SWITCH_WAIT;

    #[test]
    fn on_a_tainted_mount_the_reason_says_that_its_paths_are_closed() {
        let reason = || Rejection::Transient("no module may serve this mount: `module/use` with `force` …".to_owned());
        let told = ServeError::NoModule(reason()).on_tainted_mount().to_error(Some("r1"));
        let envelope::Error::Coded { code: 503, message } = told else { panic!("{told:?}") };
        assert!(message.starts_with(reason().text()), "{message}");
        for text in ["closed its paths", "`vault secrets disable`", "revoke -force -prefix`"] {
            assert!(message.contains(text), "{text}: {message}");
        }
        let late = ServeError::NoModule(Rejection::Transient("the mount had no module after 60s".to_owned()));
        let late = late.to_error(Some("r1")).to_string();
        assert!(late.starts_with("no module may serve this mount: the mount had no module"), "{late}");
        let failed = ServeError::Invoke(InvokeError::Busy("requests of this mount"));
        assert!(!failed.on_tainted_mount().to_error(Some("r1")).to_string().contains("disable"));
    }

    #[test]
    fn each_text_stands_in_the_table_of_errors() {
        let page = include_str!("../../../docs/operations.md");
        let (_, table) = page.split_once("\n## Errors\n").unwrap_or_default();
        let late = CallError::Late.to_string().replace(&format!("{SWITCH_WAIT:?}"), "…").replace('`', "");
        for row in [format!("| 503 | `{NO_MODULE}: …` |"), format!("| 504 | `{late}` |")] {
            assert!(table.contains(&row), "docs/operations.md, section Errors, lacks {row}");
        }
    }
}
