//! `run`: one request to a module, answered as a server would answer it, with the sandbox and limits of serving.

mod arguments;
mod engine;
mod log;
mod report;
mod storage;
mod transaction;
mod values;

use std::process::ExitCode;
use std::sync::Arc;

use component_runtime::egress::Policy;
use component_runtime::{Module, Runtime};
use envelope::{Identity, StorageError};
use local_server::{Leased, Leases as _, MountSettings, Outcome, Server, Verb};
use serde_json::{Map, Value};

pub(super) use self::arguments::Arguments;

use self::arguments::Operation;
use self::engine::{ModuleEngine, mount_point};
use self::report::Report;
use self::storage::FileStorage;
use super::sandbox;
use crate::failure::Failure;

/// The OpenAPI document of a module, which reaches an empty storage and nothing outside.
///
/// # Errors
/// Why the module has no document.
pub(crate) async fn help_document(runtime: &Runtime, module: &Arc<Module>) -> Result<Value, String> {
    let storage = FileStorage::open(None).map_err(|failure| failure.text().to_owned())?;
    let engine = ModuleEngine::new(runtime, Arc::clone(module), &storage, Policy::default());
    let outcome = server(&engine, &storage, module).ask(Verb::Help, "", Map::new()).await;
    let mut outcome = outcome.map_err(|error| error.to_string())?;
    let causes = outcome.errors.into_iter().chain(engine.take_cause());
    match outcome.data.get_mut("openapi").map(Value::take) {
        Some(document) => Ok(document),
        None => Err(causes.fold("its help has none".to_owned(), |text, cause| text + "; " + &cause)),
    }
}

/// The exit code of the server's own command line for an answer that is an error.
const EXIT_ERROR_ANSWER: u8 = 2;

impl Arguments {
    /// Exit 2 if the module answers with an error.
    pub(crate) fn execute(&self) -> Result<ExitCode, Failure> {
        let (path, data) = self.path_and_data()?;
        let lease = self.lease_file()?;
        log::install(self.log_level);
        let (outcome, cause, sealed) = sandbox::with(&self.egress, *self.wal_min_age, async |runtime| {
            let storage = FileStorage::open(self.storage.as_deref())?;
            let module = self.module.load(runtime, &self.module.read()?).await?;
            // There is no other engine that an argument could be about.
            let name = &module.description().name;
            let origins = self.egress.origins(name, name).map_err(|error| Failure::Usage(error.to_string()))?;
            let engine = ModuleEngine::new(runtime, Arc::clone(&module), &storage, Policy::new(name, origins));
            let outcome = self.ask(server(&engine, &storage, &module), &path, data, lease).await?;
            Ok((outcome, engine.take_cause(), module.declaration().lines()))
        })?;
        let is_error = outcome.is_error();
        let report = Report::new(self.operation, path, outcome, cause, sealed);
        report.note(self.output.format, self.storage.is_some());
        self.output.print(&report)?;
        Ok(if is_error { ExitCode::from(EXIT_ERROR_ANSWER) } else { ExitCode::SUCCESS })
    }

    async fn ask(
        &self,
        server: Server<'_, ModuleEngine, FileStorage>,
        path: &str,
        data: Map<String, Value>,
        lease: Option<Leased>,
    ) -> Result<Outcome, Failure> {
        let find = |id| match lease {
            None => server.leases.get(id).map_err(|error| Failure::Failed(error.to_string())),
            given => Ok(given),
        };
        let outcome = match self.operation {
            Operation::Renew | Operation::Revoke => match find(path)? {
                None => Ok(Outcome::refused(400, "lease not found")),
                Some(leased) if self.operation == Operation::Renew => {
                    server.renew(leased, self.increment.map(Into::into)).await
                }
                Some(leased) => server.revoke(leased).await,
            },
            Operation::Rollback => server.rollback(data).await,
            Operation::Read => server.ask(Verb::Read, path, data).await,
            Operation::Write => server.ask(Verb::Write, path, data).await,
            Operation::List => server.ask(Verb::List, path, data).await,
            Operation::Delete => server.ask(Verb::Delete, path, data).await,
            Operation::Patch => server.ask(Verb::Patch, path, data).await,
            Operation::Help => server.ask(Verb::Help, path, data).await,
        };
        outcome.map_err(|error| lease_not_stored(&error))
    }
}

fn server<'a>(
    engine: &'a ModuleEngine,
    leases: &'a FileStorage,
    module: &Module,
) -> Server<'a, ModuleEngine, FileStorage> {
    let identity = Identity { display_name: "command-line".to_owned(), ..Identity::default() };
    Server { engine, leases, mount: MountSettings { identity, ..MountSettings::new(mount_point(module)) } }
}

/// The module did its work, and its lease cannot be stored: the user must know.
fn lease_not_stored(error: &StorageError) -> Failure {
    Failure::Failed(format!("the module answered, but its lease could not be kept: {error}"))
}
