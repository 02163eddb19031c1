//! Why a call of Astra failed: one enum, from which the caller's message, the
//! status and the decision to repeat all follow. It holds no upstream text but
//! a status and Astra's own error number.

use std::time::Duration;

use secrets_framework::host::{HttpError, Loss, NotSent};
use thiserror::Error as ThisError;

use crate::limits::RETRY_AFTER_MAX;
use crate::read_only;
use crate::time_text;

/// Why a call of Astra failed.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub(crate) enum ClientError {
    /// 401 or 403: the token is bad, or may not do this.
    #[error("status {status}{}", shown(*.error_id))]
    Refused {
        /// 401 or 403; by itself it does not tell a bad token from a missing permission.
        status: u16,
        /// Astra's own error number; 3400xx is about the token.
        error_id: Option<i64>,
    },
    /// 404: a wrong URL, or the thing is not there.
    #[error("status 404")]
    NotFound,
    /// 429.
    #[error("status 429{}{}", by.shown(), asked(*.retry_after))]
    RateLimited {
        /// As asked for, not yet bounded.
        retry_after: Option<RetryAfter>,
        /// Astra, or a proxy in front of Astra.
        by: AnsweredBy,
    },
    /// Any other 4xx.
    #[error("status {status}{}", shown(*.error_id))]
    Rejected {
        /// The status.
        status: u16,
        /// Astra's own error number.
        error_id: Option<i64>,
    },
    /// 5xx.
    #[error("status {status}{}{}", by.shown(), asked(*.retry_after))]
    Failing {
        /// The status.
        status: u16,
        /// As asked for.
        retry_after: Option<RetryAfter>,
        /// Astra, or a proxy in front of Astra.
        by: AnsweredBy,
    },
    /// A status that has no meaning here, such as a redirect.
    #[error("unexpected status {status}")]
    Unexpected {
        /// The status.
        status: u16,
    },
    /// A success whose body is not what it must be.
    #[error("an unusable answer: {reason}")]
    Nonsense {
        /// Which part; fixed text.
        reason: &'static str,
    },
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The answer began, and its body did not come in time.
    #[error("the body of the answer did not come in time")]
    BodyTimedOut,
    /// Not even sent: this request has no time left for upstream work.
    #[error("no time was left to ask")]
    OutOfTime,
    /// The answer was cut off, or is no HTTP.
    #[error("{0}")]
    Lost(Loss),
    /// Certainly not sent.
    #[error("{0}")]
    NotSent(NotSent),
    /// Not sent: this mount may only read from Astra.
    #[error("{}", read_only::CAUSE)]
    ReadOnly,
    /// The host's egress policy refuses the destination.
    #[error("{sentence}")]
    Denied {
        /// For the operator; names the setting that would allow it.
        sentence: String,
    },
}

/// A `Retry-After` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    /// So many seconds from now.
    Seconds(u64),
    /// At this time, in seconds since 1970-01-01T00:00:00Z.
    At(u64),
}

/// Who gave an answer that is an error, by the form of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnsweredBy {
    /// Astra, whose errors have a form of their own.
    Astra,
    /// A gateway, a load balancer or a proxy on the way.
    Gateway,
}

impl AnsweredBy {
    fn shown(self) -> &'static str {
        match self {
            Self::Astra => "",
            Self::Gateway => ", not in the form of Astra's errors",
        }
    }
}

impl ClientError {
    /// May Astra have done what was asked, although this is an error?
    pub(crate) fn may_have_acted(&self) -> bool {
        match self {
            Self::Failing { .. }
            | Self::Unexpected { .. }
            | Self::Nonsense { .. }
            | Self::TimedOut
            | Self::BodyTimedOut
            | Self::Lost(_) => true,
            Self::Refused { .. }
            | Self::NotFound
            | Self::RateLimited { .. }
            | Self::Rejected { .. }
            | Self::OutOfTime
            | Self::NotSent(_)
            | Self::ReadOnly
            | Self::Denied { .. } => false,
        }
    }

    /// Is it likely to pass by itself, so that repeating makes sense?
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Failing { .. } | Self::TimedOut | Self::BodyTimedOut | Self::Lost(_) => {
                true
            }
            Self::NotSent(reason) => reason.may_pass(),
            Self::Refused { .. }
            | Self::NotFound
            | Self::Rejected { .. }
            | Self::Unexpected { .. }
            | Self::Nonsense { .. }
            | Self::OutOfTime
            | Self::ReadOnly
            | Self::Denied { .. } => false,
        }
    }

    /// How long Astra asks to wait, if it is a wait that we are ready for:
    /// `Err` = longer than that, so give up now.
    pub(crate) fn asked_pause(&self, now_seconds: u64) -> Result<Option<Duration>, TooLong> {
        let (Self::RateLimited { retry_after, .. } | Self::Failing { retry_after, .. }) = self else { return Ok(None) };
        let seconds = match retry_after {
            None => return Ok(None),
            Some(RetryAfter::Seconds(seconds)) => *seconds,
            Some(RetryAfter::At(time)) => time.saturating_sub(now_seconds),
        };
        let pause = Duration::from_secs(seconds);
        if pause > RETRY_AFTER_MAX { Err(TooLong) } else { Ok(Some(pause)) }
    }
}

/// Astra asks for a longer pause than a request can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl From<HttpError> for ClientError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(sentence) => Self::Denied { sentence },
            HttpError::NotSent(reason) => Self::NotSent(reason),
            HttpError::TimedOut => Self::TimedOut,
            HttpError::BodyTimedOut => Self::BodyTimedOut,
            HttpError::TooLarge => Self::Nonsense { reason: "it was larger than the host allows" },
            HttpError::Lost(loss) => Self::Lost(loss),
        }
    }
}

/// Does Astra not know the token that asks? 340018 is the only of its error numbers that says so: the status depends on the
/// call, 340017 is also about a live token, and rules about addresses have numbers of 3400xx, too.
pub(crate) fn is_unknown_token(error_id: i64) -> bool {
    error_id == 340_018
}

/// Astra's error numbers 3400xx are about the token that asks.
pub(crate) fn is_about_the_token(error_id: i64) -> bool {
    error_id / 100 == 3400
}

fn asked(retry_after: Option<RetryAfter>) -> String {
    match retry_after {
        None => String::new(),
        Some(RetryAfter::Seconds(seconds)) => format!(", asks to wait {seconds} s"),
        Some(RetryAfter::At(time)) => {
            let time = time_text::format(Duration::from_secs(time));
            time.map(|time| format!(", asks to wait until {time}")).unwrap_or_default()
        }
    }
}

fn shown(error_id: Option<i64>) -> String {
    error_id.map(|id| format!(", Astra's error {id}")).unwrap_or_default()
}
