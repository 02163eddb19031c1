//! How answers show durations: the paths of the Go plugin as Go text, which their clients know, and all others as whole
//! seconds, as the server's own engines do. Terraform compares what it wrote with what it reads, and takes a number for
//! a number only.

use std::time::Duration;

use secrets_framework::FieldType;
use secrets_framework::duration::format as go_text;
use serde::Serialize;

/// The form of the durations of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DurationForm {
    /// `1h0m0s`.
    GoText,
    /// `3600`.
    Seconds,
}

/// A duration in an answer.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum ShownDuration {
    /// `1h0m0s`.
    GoText(String),
    /// `3600`.
    Seconds(u64),
}

impl DurationForm {
    /// The type of such a field in the description of an answer.
    pub(crate) const fn kind(self) -> FieldType {
        match self {
            Self::GoText => FieldType::String,
            Self::Seconds => FieldType::DurationSecond,
        }
    }

    /// Shows a duration. What Go stored may have fractions of a second, which whole seconds do not show.
    pub(crate) fn of(self, duration: Duration) -> ShownDuration {
        match self {
            Self::GoText => ShownDuration::GoText(go_text(duration)),
            Self::Seconds => ShownDuration::Seconds(duration.as_secs()),
        }
    }
}
