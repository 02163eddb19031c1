//! The output of `run`, in the form of the server's own command line, or all of it as JSON.

use std::io::Write as _;
use std::time::Duration;

use local_server::{Lease, Outcome};
use serde::Serialize;
use serde_json::Value;

use super::arguments::Operation;
use crate::cli::output::{Format, columns, printable};

/// How the host speaks of a secret that a module let go where it may not.
const OF_A_CLASS: &str = "a value of the class";

/// One request's answer.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The HTTP status that a server would answer.
    status: u16,
    data: Value,
    warnings: Vec<String>,
    errors: Vec<String>,
    /// The cause of an error, which a server would write only to its log.
    cause: Option<String>,
    lease: Option<Lease>,
    /// What the host keeps from the module: a sentence for each class of secrets.
    sealed_secrets: Vec<String>,
    #[serde(skip)]
    operation: Operation,
    #[serde(skip)]
    path: String,
}

impl Report {
    pub(super) fn new(
        operation: Operation,
        path: String,
        outcome: Outcome,
        cause: Option<String>,
        sealed_secrets: Vec<String>,
    ) -> Self {
        let Outcome { status, data, warnings, errors, lease } = outcome;
        Self { status, data, warnings, errors, cause, lease, sealed_secrets, operation, path }
    }

    /// Writes errors and warnings to stderr for people, and that changes are not kept without a storage file.
    pub(super) fn note(&self, format: Format, is_kept: bool) {
        if format != Format::Text {
            return;
        }
        let mut text = self.notes();
        let only_looks = matches!(self.operation, Operation::Read | Operation::List | Operation::Help);
        if !is_kept && (!only_looks || self.lease.is_some()) {
            text += "Note: storage was in memory and is gone now; `--storage FILE` keeps it.\n";
        }
        // An error on stderr has no other place to go.
        let _ = std::io::stderr().write_all(printable(&text).as_bytes());
    }

    fn notes(&self) -> String {
        let mut text = String::new();
        if self.status >= 400 {
            text += &match self.errors.as_slice() {
                [] => format!("No value found at {} (status {})\n", self.path, self.status),
                errors => {
                    format!("Error: the server would answer status {}\n\n* {}\n", self.status, errors.join("\n* "))
                }
            };
            text.extend(self.cause.iter().map(|cause| format!("\nIts log would say: {cause}\n")));
            if self.cause.as_ref().is_some_and(|cause| cause.contains(OF_A_CLASS)) {
                let list = self.sealed_secrets.join("\n* ");
                text += &format!(
                    "\nThe host keeps these secrets from the module, and lets them go nowhere else:\n\n* {list}\n"
                );
            }
        }
        if !self.warnings.is_empty() {
            text += &format!("WARNING! These warnings came with the answer:\n\n* {}\n\n", self.warnings.join("\n* "));
        }
        text
    }

    fn help(&self) -> String {
        let help = self.data.get("help").and_then(Value::as_str).unwrap_or_default();
        format!("{}\n", help.trim_end())
    }

    fn keys(&self) -> String {
        let keys = self.data.get("keys").and_then(Value::as_array);
        let names: Vec<String> = keys.into_iter().flatten().map(shown).collect();
        format!("Keys\n----\n{}\n", names.join("\n"))
    }

    fn table(&self) -> String {
        let mut rows = vec![("Key", "Value".to_owned()), ("---", "-----".to_owned())];
        if let Some(lease) = &self.lease {
            let duration = humantime::format_duration(Duration::from_secs(lease.ttl_seconds));
            rows.push(("lease_id", lease.id.clone()));
            rows.push(("lease_duration", duration.to_string()));
            rows.push(("lease_renewable", lease.renewable.to_string()));
        }
        let fields = self.data.as_object().into_iter().flatten();
        rows.extend(fields.map(|(name, value)| (name.as_str(), shown(value))));
        columns(&rows)
    }

    fn done(&self) -> String {
        match self.operation {
            Operation::Write | Operation::Patch => format!("Success! Data written to: {}\n", self.path),
            Operation::Delete => format!("Success! Data deleted (if it existed) at: {}\n", self.path),
            Operation::Revoke => "Success! Revoked the lease\n".to_owned(),
            _ => "Success!\n".to_owned(),
        }
    }
}

impl crate::cli::output::Report for Report {
    fn text(&self) -> String {
        let text = match self.operation {
            _ if self.status >= 400 => String::new(),
            Operation::Help => self.help(),
            Operation::List => self.keys(),
            _ if self.data.is_null() && self.lease.is_none() => self.done(),
            _ => self.table(),
        };
        printable(&text)
    }
}

/// A text as it is, another value as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
