//! The arguments of `run`.

use std::path::PathBuf;

use clap::ValueEnum;
use local_server::Leased;
use serde_json::{Map, Value};
use tracing::level_filters::LevelFilter;

use super::values;
use crate::EgressArgs;
use crate::cli::module_file::ModuleFile;
use crate::cli::output::Output;
use crate::config::WAL_MIN_AGE;
use crate::failure::Failure;
use crate::files;
use crate::limits::RUN_INPUT_BYTES_MAX;

/// `run OPERATION PATH [key=value …]`
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    /// The module; `embedded` is the one in this program.
    #[arg(long, value_name = "FILE", default_value = "embedded")]
    pub(super) module: ModuleFile,

    /// Keep storage and leases in this file, not encrypted; created if it does not exist.
    ///
    /// Without a file, storage and leases are gone afterwards.
    #[arg(long, value_name = "FILE")]
    pub(super) storage: Option<PathBuf>,

    /// Renew or revoke the lease of this file: what an earlier `--format json` printed.
    #[arg(long, value_name = "FILE")]
    pub(super) lease: Option<PathBuf>,

    /// Ask for this time to live, on renew.
    #[arg(long, value_name = "DURATION")]
    pub(super) increment: Option<humantime::Duration>,

    /// Origins that the module may reach.
    #[command(flatten)]
    pub(super) egress: EgressArgs,

    /// Age from which a write-ahead entry counts as abandoned.
    #[arg(long, value_name = "DURATION", default_value_t = WAL_MIN_AGE.into())]
    pub(super) wal_min_age: humantime::Duration,

    /// Least important log lines to show, on stderr.
    #[arg(long, value_name = "LEVEL", default_value = "warn", value_parser = crate::config::level_parser())]
    pub(super) log_level: LevelFilter,

    #[command(flatten)]
    pub(super) output: Output,

    /// What to do.
    pub(super) operation: Operation,

    /// Path below the mount, as `config`; to renew or revoke, the lease's ID.
    path: Option<String>,

    /// Fields: `key=text`, `key=@file`, `key=-` (stdin), or `@file`, `-` for a JSON object of them.
    #[arg(value_name = "FIELD")]
    values: Vec<String>,
}

/// The operations of a client, and the periodic call of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Operation {
    Read,
    /// A create if the module says that nothing is there, else an update.
    Write,
    List,
    Delete,
    Patch,
    Renew,
    Revoke,
    /// The call that a server makes once a minute.
    Rollback,
    /// Help text of a path; of the module without one.
    Help,
}

impl Operation {
    fn is_about_a_lease(self) -> bool {
        matches!(self, Self::Renew | Self::Revoke)
    }
}

impl Arguments {
    /// Without slashes around it, as the server hands it to engines.
    pub(super) fn path_and_data(&self) -> Result<(String, Map<String, Value>), Failure> {
        let mut fields: Vec<&str> = self.values.iter().map(String::as_str).collect();
        let mut path = self.path.as_deref().unwrap_or_default();
        if self.operation == Operation::Rollback {
            // A rollback has no path.
            fields.splice(0..0, self.path.as_deref());
            path = "";
        }
        if self.operation.is_about_a_lease() {
            if !fields.is_empty() {
                return Err(Failure::Usage(format!(
                    "`{}` belongs to no lease; try `--increment`",
                    fields.join("`, `")
                )));
            }
            if path.is_empty() == self.lease.is_none() {
                return Err(Failure::Usage("name the lease: either its ID or `--lease FILE`".to_owned()));
            }
            return Ok((path.to_owned(), Map::new()));
        }
        if self.lease.is_some() {
            return Err(Failure::Usage("`--lease` is for renew and revoke".to_owned()));
        }
        Ok((path.trim_matches('/').to_owned(), values::parse(&fields)?))
    }

    /// The lease of the named file.
    pub(super) fn lease_file(&self) -> Result<Option<Leased>, Failure> {
        let Some(path) = &self.lease else { return Ok(None) };
        let lease = serde_json::from_slice(&files::read_or_stdin(path, RUN_INPUT_BYTES_MAX)?);
        lease.map(Some).map_err(|error| Failure::Failed(format!("`{}` holds no lease: {error}", path.display())))
    }
}
