//! Why a request failed: a mistake of the caller, or an error with a type of its own.

use secrets_framework::host::{LockError, StorageError, SystemViewError};
use secrets_framework::{Error, Response};

use crate::names::NameError;

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
