//! `run`: one request to a module, answered as a server would answer it, with the sandbox and limits of serving.
//!
//! What the server does around an engine is done here as far as one request needs it: the existence check before
//! a write, status codes, leases and their times. Policies, replication and the periodic rollback are not.

mod arguments;
mod engine;
mod lease;
mod log;
mod outcome;
mod report;
mod storage;
mod system_view;
mod table;
mod transaction;
mod values;

use std::process::ExitCode;
use std::sync::Arc;

use component_runtime::{Module, Runtime};
use serde_json::{Map, Value};

pub(super) use self::arguments::Arguments;

use self::arguments::Operation;
use self::engine::Engine;
use self::lease::Leased;
use self::outcome::Outcome;
use self::storage::FileStorage;
use super::{Failure, sandbox};

/// The OpenAPI document of a module, which reaches an empty storage and nothing outside.
///
/// # Errors
/// Why there is none.
pub(crate) async fn help_document(runtime: &Runtime, module: &Arc<Module>) -> Result<Value, String> {
    let storage = FileStorage::open(None).map_err(|failure| format!("{failure:?}"))?;
    let outcome = Engine::new(runtime, Arc::clone(module), storage).ask(Operation::Help, "", Map::new()).await;
    let mut outcome = outcome.map_err(|failure| format!("{failure:?}"))?;
    let causes = outcome.errors.into_iter().chain(outcome.cause);
    match outcome.data.get_mut("openapi").map(Value::take) {
        Some(document) => Ok(document),
        None => Err(causes.fold("its help has none".to_owned(), |text, cause| text + "; " + &cause)),
    }
}

/// As the server's own command line, where the answer is an error.
const EXIT_ERROR_ANSWER: u8 = 2;

impl Arguments {
    /// Exit 2 where the module answers with an error.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let (path, data) = self.path_and_data()?;
        let lease = self.lease_file()?;
        log::install(self.log_level);
        let outcome = sandbox::with(&self.egress, self.wal_min_age, async |runtime| {
            let storage = FileStorage::open(self.storage.as_deref())?;
            let engine = Engine::new(runtime, self.module.load(runtime, &self.module.read()?).await?, storage);
            self.ask(&engine, &path, data, lease).await
        })?;
        let is_error = outcome.is_error();
        let report = report::Report::new(self.operation, path, outcome);
        report.note(self.output.format, self.storage.is_some());
        self.output.print(&report)?;
        Ok(if is_error { ExitCode::from(EXIT_ERROR_ANSWER) } else { ExitCode::SUCCESS })
    }

    async fn ask(
        &self,
        engine: &Engine,
        path: &str,
        data: Map<String, Value>,
        lease: Option<Leased>,
    ) -> Result<Outcome, Failure> {
        match self.operation {
            Operation::Renew => engine.renew(path, lease, self.increment).await,
            Operation::Revoke => engine.revoke(path, lease).await,
            operation => engine.ask(operation, path, data).await,
        }
    }
}
