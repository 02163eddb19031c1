//! Why a command, or a start, failed.

/// Why a command failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The command failed: exit 1.
    Not(String),
    /// The arguments are wrong: exit 64.
    Usage(String),
}

impl Failure {
    /// The reason, for a start that fails by it.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Not(text) | Self::Usage(text) => text,
        }
    }
}
