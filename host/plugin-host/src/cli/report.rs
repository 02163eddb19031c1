//! `report`: who owns each token of a mount, what the token reaches, and whether it is used.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use insight::{
    About, Client, ClientError, Query, csv, fetch_report, fetch_summary, page, printable, rfc3339, summary_table, table,
};
use serde::Serialize;

use super::server::{Server, wait};
use crate::failure::Failure;

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal.
    Table,
    /// For programs.
    Json,
    /// For a spreadsheet.
    Csv,
    /// One page for a browser, with a picture, which loads nothing from elsewhere.
    Html,
}

/// Which tokens, in which form.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// ID of the organization; without it, all that the token may read.
    #[arg(value_name = "ORG")]
    org_id: Option<String>,
    /// Form of the report.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    /// File to write to, for its owner only, in place of stdout.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Counts in place of tokens; as table or JSON.
    #[arg(long)]
    summary: bool,
    /// Only tokens that this client had made: its entity's name or ID, or its display name.
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Only tokens of this role.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Only tokens of these kinds: standard, sidecar, creds, static or admin, separated by commas.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only tokens with this metadata. Repeatable.
    #[arg(long, value_name = "KEY=VALUE")]
    metadata: Vec<String>,
    /// Only tokens that nobody made, read or renewed for so long, such as 60d.
    #[arg(long, value_name = "DURATION")]
    unused_for: Option<String>,
    /// Only tokens that end within this time.
    #[arg(long, value_name = "DURATION")]
    expires_within: Option<String>,
    /// Only tokens that reach this database, keyspace (keyspace:NAME), resource (drn:…) or Astra role.
    #[arg(long, value_name = "WHAT")]
    reaches: Option<String>,
    /// Sort by made, last_read, last_use, expires, owner or role, with a `-` before it for the largest first.
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    /// The server.
    #[command(flatten)]
    server: Server,
}

impl Arguments {
    pub(super) fn execute(self) -> Result<ExitCode, Failure> {
        let query = self.query()?;
        if self.summary && matches!(self.format, Format::Csv | Format::Html) {
            return Err(Failure::Usage("`--summary` comes as table or JSON: choose one by `--format`".to_owned()));
        }
        let client = self.server.client()?;
        let failed = |error: ClientError| Failure::Failed(error.to_string());
        let (text, warnings) = match self.summary {
            true => {
                let (summary, warnings) = wait(fetch_summary(&client, &query))?.map_err(failed)?;
                let text = if self.format == Format::Json { json(&summary)? } else { summary_table(&summary) };
                (text, warnings)
            }
            false => {
                let (mut report, warnings) = wait(fetch_report(&client, &query))?.map_err(failed)?;
                report.sort(self.sort.as_deref().unwrap_or("last_use")).map_err(Failure::Usage)?;
                let text = match self.format {
                    Format::Table => table(&report),
                    Format::Json => json(&report)?,
                    Format::Csv => csv(&report),
                    Format::Html => {
                        let about = about(&client, &query, &warnings);
                        page(&about, &report).map_err(|error| Failure::Failed(error.to_string()))?
                    }
                };
                (text, warnings)
            }
        };
        for warning in warnings {
            // A warning on stderr has no other place to go.
            let _ = writeln!(std::io::stderr(), "warning: {}", printable(&warning));
        }
        write(self.output.as_deref(), &text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> Result<Query, Failure> {
        let named = [
            ("owner", &self.owner),
            ("role", &self.role),
            ("kind", &self.kind),
            ("unused_for", &self.unused_for),
            ("expires_within", &self.expires_within),
            ("reaches", &self.reaches),
        ];
        let set = named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let mut filters: Vec<(String, String)> = set.collect();
        for pair in &self.metadata {
            match pair.split_once('=') {
                Some((key, value)) if !key.is_empty() => filters.push((format!("metadata.{key}"), value.to_owned())),
                _ => return Err(Failure::Usage(format!("`--metadata` is `{pair}`: write it as KEY=VALUE"))),
            }
        }
        Ok(Query { mount: self.server.mount.clone(), org_id: self.org_id.clone(), filters })
    }
}

fn about(client: &Client, query: &Query, warnings: &[String]) -> About {
    let organization = query.org_id.iter().map(|org_id| ("organization".to_owned(), org_id.clone()));
    About {
        mount: query.mount.clone(),
        address: client.address().to_owned(),
        generated: rfc3339(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
        filters: organization.chain(query.filters.iter().cloned()).collect(),
        warnings: warnings.to_vec(),
    }
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?;
    Ok(text + "\n")
}

fn write(file: Option<&Path>, text: &str) -> Result<(), Failure> {
    let Some(path) = file else {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        return written.map_err(|error| Failure::Failed(format!("failed to write to stdout: {error}")));
    };
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::Failed(format!("failed to write `{}`: {error}", path.display())))
}
