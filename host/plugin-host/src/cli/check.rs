//! `check`: are the organizations of a mount healthy? For people and for monitoring.

use std::io::Write as _;
use std::process::ExitCode;

use insight::{Checkup, Client, ClientError, Verdict, check, organizations};
use serde::Serialize;

use super::output::{Output, Report};
use super::server::{Server, wait};
use crate::failure::Failure;

/// Exit code of a check that could not be made, as monitoring systems know it.
const EXIT_UNKNOWN: u8 = 3;

/// The organizations that are checked, and how.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// IDs of the organizations; without any, all of the mount.
    #[arg(value_name = "ORG")]
    org_ids: Vec<String>,
    /// Really make a token in each, and delete it.
    #[arg(long)]
    deep: bool,
    #[command(flatten)]
    output: Output,
    /// The server.
    #[command(flatten)]
    server: Server,
}

/// What came of it.
#[derive(Serialize)]
struct Checked {
    verdict: &'static str,
    organizations: Vec<Checkup>,
}

impl Report for Checked {
    fn text(&self) -> String {
        self.organizations.iter().map(Checkup::text).collect()
    }
}

impl Arguments {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let checked = match self.server.client().and_then(|client| wait(self.ask(&client))) {
            Err(Failure::Usage(text)) => return Err(Failure::Usage(text)),
            Err(Failure::Failed(text)) => return Ok(unknown(&text)),
            Ok(Err(error)) => return Ok(unknown(&error.to_string())),
            Ok(Ok(checked)) => checked,
        };
        let verdict = checked.iter().map(Checkup::verdict).max().unwrap_or(Verdict::Ok);
        self.output.print(&Checked { verdict: verdict.word(), organizations: checked })?;
        Ok(ExitCode::from(verdict.exit_code()))
    }

    async fn ask(&self, client: &Client) -> Result<Vec<Checkup>, ClientError> {
        let mount = &self.server.mount;
        let org_ids = if self.org_ids.is_empty() { organizations(client, mount).await? } else { self.org_ids.clone() };
        let mut checked = Vec::with_capacity(org_ids.len());
        for org_id in &org_ids {
            checked.push(check(client, mount, org_id, self.deep).await?);
        }
        Ok(checked)
    }
}

/// Says why nothing is known.
fn unknown(text: &str) -> ExitCode {
    // An error on stderr has no other place to go.
    let _ = writeln!(std::io::stderr(), "UNKNOWN: {text}");
    ExitCode::from(EXIT_UNKNOWN)
}
