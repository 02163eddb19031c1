//! Why a call of Astra failed: one enum, from which the caller's message, the
//! status and the decision to repeat all follow. It holds no upstream text but
//! a status and Astra's own error number.

use secrets_framework::Error;
use secrets_framework::host::HttpError;
use thiserror::Error as ThisError;

use crate::limits::RETRY_AFTER_MAX;
use crate::names::OrgId;
use crate::read_only;

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
    #[error("status 429")]
    RateLimited {
        /// As asked for by Astra, not yet bounded.
        retry_after: Option<RetryAfter>,
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
    #[error("status {status}")]
    Failing {
        /// The status.
        status: u16,
        /// As asked for by Astra.
        retry_after: Option<RetryAfter>,
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
    /// Not even sent: this request has no time left for upstream work.
    #[error("no time was left to ask")]
    OutOfTime,
    /// The answer was cut off, or too large.
    #[error("the answer was lost")]
    Lost,
    /// Certainly not sent.
    #[error("no connection")]
    NotSent,
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

impl ClientError {
    /// May Astra have done what was asked, although this is an error?
    pub(crate) fn may_have_acted(&self) -> bool {
        match self {
            Self::Failing { .. } | Self::Unexpected { .. } | Self::Nonsense { .. } | Self::TimedOut | Self::Lost => {
                true
            }
            Self::Refused { .. }
            | Self::NotFound
            | Self::RateLimited { .. }
            | Self::Rejected { .. }
            | Self::OutOfTime
            | Self::NotSent
            | Self::ReadOnly
            | Self::Denied { .. } => false,
        }
    }

    /// Is it likely to pass by itself, so that repeating makes sense?
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Failing { .. } | Self::TimedOut | Self::Lost | Self::NotSent => true,
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
    pub(crate) fn asked_pause(&self, now_seconds: u64) -> Result<Option<std::time::Duration>, TooLong> {
        let (Self::RateLimited { retry_after } | Self::Failing { retry_after, .. }) = self else { return Ok(None) };
        let seconds = match retry_after {
            None => return Ok(None),
            Some(RetryAfter::Seconds(seconds)) => *seconds,
            Some(RetryAfter::At(time)) => time.saturating_sub(now_seconds),
        };
        let pause = std::time::Duration::from_secs(seconds);
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
            HttpError::NotSent(_) => Self::NotSent,
            HttpError::TimedOut => Self::TimedOut,
            HttpError::TooLarge => Self::Nonsense { reason: "it was larger than the host allows" },
            HttpError::Lost(_) => Self::Lost,
        }
    }
}

/// What the caller is told when Astra did not do what was asked. The sentence names the organization, gives Astra's
/// status and says what to do next; it quotes nothing of Astra's.
pub(crate) fn upstream(org_id: &OrgId, error: &ClientError) -> Error {
    let (code, sentence) = match error {
        ClientError::Denied { sentence } => return Error::mistake(sentence.clone()),
        ClientError::ReadOnly => {
            return read_only::failure(&format!("nothing was changed for organization `{org_id}`"));
        }
        ClientError::Refused { error_id: Some(id), .. } if is_about_the_token(*id) => (
            502,
            format!(
                "Astra does not know the admin token of organization `{org_id}` ({error}): it has ended, was deleted in Astra's portal or was never valid; make another there, and write it as `astra_token` to `config/{org_id}`"
            ),
        ),
        ClientError::Refused { .. } => (
            502,
            format!(
                "Astra refused the admin token of organization `{org_id}` ({error}): check that the token is valid, may manage tokens and has the permissions that the role gives, or write another `astra_token` to `config/{org_id}`"
            ),
        ),
        ClientError::NotFound => (
            502,
            format!(
                "Astra did not find what was asked for organization `{org_id}` ({error}): check the config's `url` and the role's Astra role IDs"
            ),
        ),
        ClientError::Rejected { .. } => (
            502,
            format!(
                "Astra rejected the request for organization `{org_id}` ({error}): check the role's Astra role IDs"
            ),
        ),
        ClientError::Failing { .. } => {
            (502, format!("Astra failed for organization `{org_id}` ({error}): try again later"))
        }
        ClientError::Unexpected { .. } | ClientError::Nonsense { .. } => (
            502,
            format!(
                "Astra's answer for organization `{org_id}` was not understood ({error}): check the config's `url`"
            ),
        ),
        ClientError::NotSent => (
            502,
            format!(
                "Astra could not be reached for organization `{org_id}` ({error}): check the config's `url` and the network"
            ),
        ),
        ClientError::Lost => (502, format!("Astra's answer for organization `{org_id}` was lost: try again later")),
        ClientError::RateLimited { .. } => {
            (503, format!("Astra limits the rate of requests for organization `{org_id}` ({error}): try again later"))
        }
        ClientError::TimedOut | ClientError::OutOfTime => (
            504,
            format!(
                "Astra did not answer in time for organization `{org_id}` ({error}): try again later, or raise the config's `request_timeout`"
            ),
        ),
    };
    Error::coded(code, sentence)
}

/// Astra's error numbers 3400xx are about the token that asks.
pub(crate) fn is_about_the_token(error_id: i64) -> bool {
    error_id / 100 == 3400
}

fn shown(error_id: Option<i64>) -> String {
    error_id.map(|id| format!(", Astra's error {id}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_status_organization_and_what_to_do() {
        let org_id = OrgId::stored("o-1");
        let errors = [
            ClientError::Refused { status: 401, error_id: Some(340_016) },
            ClientError::Refused { status: 403, error_id: None },
            ClientError::NotFound,
            ClientError::RateLimited { retry_after: None },
            ClientError::Rejected { status: 400, error_id: None },
            ClientError::Failing { status: 503, retry_after: None },
            ClientError::Unexpected { status: 302 },
            ClientError::Nonsense { reason: "it is not a whole token" },
            ClientError::TimedOut,
            ClientError::OutOfTime,
            ClientError::Lost,
            ClientError::NotSent,
            ClientError::ReadOnly,
            ClientError::Denied { sentence: "the host's sentence".to_owned() },
        ];
        let told: Vec<String> = errors
            .iter()
            .map(|error| match upstream(&org_id, error) {
                Error::BadRequest(sentence) => format!("400 {sentence}"),
                Error::Coded { code, message } => format!("{code} {message}"),
                error => panic!("{error}"),
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
