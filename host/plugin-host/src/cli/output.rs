//! The output of commands: text for people, JSON for programs.

use std::io::Write as _;
use std::process::ExitCode;

use clap::ValueEnum;
use component_runtime::Capability;
use serde::{Serialize, Serializer};

use crate::failure::Failure;

/// The reader of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// People.
    Text,
    /// Programs: one JSON object, whose fields stay; later versions may add some.
    Json,
}

/// The argument that all commands share.
#[derive(Debug, clap::Args)]
pub(crate) struct Output {
    /// For whom to print.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

/// The result of a command.
pub(crate) trait Report: Serialize {
    /// The text for people, which ends in a line break, or is empty.
    fn text(&self) -> String;
}

impl Output {
    /// Prints a report on stdout.
    ///
    /// # Errors
    /// When stdout is gone.
    pub(crate) fn print(&self, report: &impl Report) -> Result<(), Failure> {
        match self.format {
            Format::Text => print(&report.text()),
            Format::Json => print_json(report),
        }
    }
}

/// Prints a value as JSON.
///
/// # Errors
/// When stdout is gone.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?;
    print(&(json + "\n"))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| Failure::Failed(format!("failed to write to stdout: {error}")))
}

/// Exit 0 for success, else 1.
pub(crate) fn exit_code(succeeded: bool) -> ExitCode {
    if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lines of name and value, the values in one column.
pub(crate) fn columns(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    rows.iter().map(|(name, value)| format!("{name:width$}  {value}").trim_end().to_owned() + "\n").collect()
}

/// A list for people; a dash for an empty list.
pub(crate) fn listed(items: &[String]) -> String {
    if items.is_empty() { "-".to_owned() } else { items.join(", ") }
}

/// Capabilities for people.
pub(crate) fn words(capabilities: &[Capability]) -> String {
    capabilities.iter().map(|capability| capability.word()).collect::<Vec<_>>().join(", ")
}

/// Capabilities for programs, and for the host's paths.
pub(crate) fn names<S: Serializer>(capabilities: &[Capability], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(capabilities.iter().map(|capability| capability.name()))
}

/// A text of a module that is not trusted, with control characters escaped for a terminal.
pub(crate) fn printable(text: &str) -> String {
    let is_plain = |c: char| !c.is_control() || c == '\n' || c == '\t';
    text.chars().map(|c| if is_plain(c) { c.to_string() } else { c.escape_default().to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_the_longest_name() {
        let rows = [("a", "1".to_owned()), ("long", "2".to_owned()), ("b", String::new())];
        assert_eq!(columns(&rows), "a     1\nlong  2\nb\n");
    }

    #[test]
    fn control_characters_of_a_module_are_escaped() {
        assert_eq!(printable("a\u{1b}[2Jb\n\tä"), "a\\u{1b}[2Jb\n\tä");
    }
}
