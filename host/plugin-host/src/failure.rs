//! Why a command, or a start, failed, and how it ends.

use std::io::Write as _;
use std::process::ExitCode;

/// Exit code for wrong arguments, from `sysexits.h`.
pub(crate) const EXIT_USAGE: u8 = 64;

/// Why a command failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command failed: exit 1.
    Failed(String),
    /// The arguments are wrong: exit 64.
    Usage(String),
}

impl Failure {
    /// The reason, for a start that fails by it.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Failed(text) | Self::Usage(text) => text,
        }
    }
}

/// Ends a start that failed, but not because of the arguments.
#[must_use]
pub(crate) fn fail(message: &str) -> ExitCode {
    report(message);
    ExitCode::FAILURE
}

/// Ends a start with contradictory arguments.
#[must_use]
pub(crate) fn fail_usage(message: &str) -> ExitCode {
    report(message);
    ExitCode::from(EXIT_USAGE)
}

/// Writes one line with the prefix by which the server logs the line as an error.
pub(crate) fn report(message: &str) {
    // An error on stderr has no other place to go.
    let _ = writeln!(std::io::stderr(), "[ERROR] {}: {message}", crate::PROGRAM);
}
