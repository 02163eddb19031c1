//! Why a request failed, and what the caller is told: the one place where
//! failures become statuses and sentences. A sentence names the organization,
//! gives Astra's status and says what to do next; it quotes nothing of Astra's.

use secrets_framework::host::{LockError, StorageError, SystemViewError};
use secrets_framework::{Error, Response};

use crate::client::{ClientError, is_about_the_token};
use crate::names::{NameError, OrgId};
use crate::read_only;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The caller's mistake: status 400, as an answer.
    Mistake(String),
    /// All else: as a typed error.
    Failed(Error),
}

/// What a handler of ours comes to.
pub(crate) type Outcome = Result<Option<Response>, Failure>;

impl Failure {
    /// A mistake of the caller.
    pub(crate) fn mistake(sentence: impl Into<String>) -> Self {
        Self::Mistake(sentence.into())
    }

    /// It exists already: 409, which only an error alone can be.
    pub(crate) fn exists(sentence: impl Into<String>) -> Self {
        Self::Failed(Error::coded(409, sentence))
    }

    /// For callers that know only errors.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::Mistake(sentence) => Error::BadRequest(sentence),
            Self::Failed(error) => error,
        }
    }
}

/// Turns what a handler of ours comes to into what the framework takes.
pub(crate) fn answer(outcome: Outcome) -> Result<Option<Response>, Error> {
    match outcome {
        Ok(response) => Ok(response),
        Err(Failure::Mistake(sentence)) => Ok(Some(Response::error(sentence))),
        Err(Failure::Failed(error)) => Err(error),
    }
}

/// What the caller is told when Astra did not do what was asked.
pub(crate) fn upstream(org_id: &OrgId, error: &ClientError) -> Failure {
    let (code, sentence) = match error {
        ClientError::Denied { sentence } => return Failure::mistake(sentence.clone()),
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
    Failure::Failed(Error::coded(code, sentence))
}

/// What the caller is told when the server does not tell the mount's lease settings.
pub(crate) fn lease_settings(error: &SystemViewError) -> Error {
    Error::Internal(format!("the mount's lease settings could not be had: {error}"))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<NameError> for Failure {
    fn from(error: NameError) -> Self {
        Self::Mistake(error.to_string())
    }
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
                Failure::Mistake(sentence) => format!("400 {sentence}"),
                Failure::Failed(Error::Coded { code, message }) => format!("{code} {message}"),
                Failure::Failed(error) => panic!("{error}"),
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"));
    }
}
