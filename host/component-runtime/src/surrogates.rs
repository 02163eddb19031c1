//! The surrogates of one request, at the border between host and guest: storage, HTTP and the log each in one place,
//! request and response in `module.rs`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use envelope::Response;
use http::request::Parts;
use http::{HeaderValue, header};
use sealed_secrets::{AnsweredCall, RefusedRequest, Rules, Session, SessionError, Violation};

use crate::InvokeError;

/// The surrogates of one request; `None` if the module has no secret values. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Surrogates(Option<Arc<Mutex<Session>>>);

impl Surrogates {
    /// The surrogates of one request to a module with these rules.
    pub(crate) fn new(rules: &Arc<Rules>) -> Self {
        let session = (!rules.is_empty()).then(|| Arc::new(Mutex::new(Session::new(Arc::clone(rules)))));
        Self(session)
    }

    fn session(&self) -> Option<MutexGuard<'_, Session>> {
        self.0.as_ref().map(|session| session.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts surrogates into the data of a request.
    ///
    /// # Errors
    /// When a declared field contains a value that is not a secret of its class.
    pub(crate) fn seal_request(&self, path: &str, data: &mut String) -> Result<(), InvokeError> {
        let Some(mut session) = self.session() else { return Ok(()) };
        session.seal_request(path, data).map_err(|error| match error {
            RefusedRequest::Client(text) => InvokeError::Refused(text),
            RefusedRequest::Session(error) => failed(error),
        })
    }

    /// Puts surrogates into an entry that the guest reads.
    ///
    /// # Errors
    /// When the request has too many secrets.
    pub(crate) fn seal_entry(&self, key: &str, value: &mut Vec<u8>) -> Result<(), SessionError> {
        self.session().map_or(Ok(()), |mut session| session.seal_stored(key, value))
    }

    /// Puts values into an entry that the guest writes.
    ///
    /// # Errors
    /// When a surrogate is where its value may not be.
    pub(crate) fn open_entry(&self, key: &str, value: &mut Vec<u8>) -> Result<(), Violation> {
        self.session().map_or(Ok(()), |mut session| session.open_stored(key, value))
    }

    /// Checks that texts that leave the guest contain no surrogate.
    ///
    /// # Errors
    /// When a text contains one.
    pub(crate) fn check<'a>(&self, place: &str, texts: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Violation> {
        let Some(mut session) = self.session() else { return Ok(()) };
        texts.into_iter().try_for_each(|text| session.check(place, text))
    }

    /// Puts a value into the head of a request, and checks the rest of the head. Returns the declared call, if the
    /// answer will contain secrets.
    ///
    /// # Errors
    /// When a surrogate is where its value may not be.
    pub(crate) fn open_head(&self, head: &mut Parts) -> Result<Option<AnsweredCall>, Violation> {
        let Some(mut session) = self.session() else { return Ok(None) };
        session.check("the URL of a request", head.uri.to_string().as_bytes())?;
        let mut sent = None;
        for (name, value) in &mut head.headers {
            // Only one token, so that its owner's answer is known.
            if name != header::AUTHORIZATION || sent.is_some() {
                session.check("a header of a request", value.as_bytes())?;
                continue;
            }
            let opened = session.open_authorization(head.method.as_str(), &head.uri, value.as_bytes())?;
            let Some(opened) = opened else { continue };
            if let Ok(header) = HeaderValue::from_bytes(&opened.value) {
                *value = header;
                value.set_sensitive(true);
            }
            sent = Some(opened);
        }
        Ok(session.answered_call(head.method.as_str(), &head.uri, sent.as_ref()))
    }

    /// Puts surrogates into the body of an answer.
    ///
    /// # Errors
    /// When the request has too many secrets.
    pub(crate) fn seal_answer(&self, call: &AnsweredCall, body: &mut Vec<u8>) -> Result<(), SessionError> {
        self.session().map_or(Ok(()), |mut session| session.seal_answer(call, body))
    }

    /// Puts values into a response. After an earlier violation of the guest there is no response.
    ///
    /// # Errors
    /// The violation, or else the failure of the request.
    pub(crate) fn open_answer(
        &self,
        path: &str,
        answer: Result<Option<Response>, InvokeError>,
    ) -> Result<Option<Response>, InvokeError> {
        let answer = match answer {
            Ok(Some(mut response)) => {
                self.open_response(path, &mut response)?;
                Ok(Some(response))
            }
            answer => answer,
        };
        self.checked(answer)
    }

    /// A guest's answer without data, if there was no violation.
    ///
    /// # Errors
    /// The violation, or else the failure of the request.
    pub(crate) fn checked<T>(&self, answer: Result<T, InvokeError>) -> Result<T, InvokeError> {
        if let Err(InvokeError::Guest(error)) = &answer {
            self.check("the text of an error", [error.to_string().as_bytes()])?;
        }
        match self.session().and_then(|session| session.violation().cloned()) {
            Some(violation) => Err(violation.into()),
            None => answer,
        }
    }

    fn open_response(&self, path: &str, response: &mut Response) -> Result<(), Violation> {
        let Some(mut session) = self.session() else { return Ok(()) };
        if let Some(data) = &mut response.data {
            session.open_response(path, data)?;
        }
        for warning in &response.warnings {
            session.check("a warning", warning.as_bytes())?;
        }
        if let Some(secret) = &response.secret {
            session.check("the internal data of a lease", secret.internal_data.as_bytes())?;
        }
        for (name, values) in &response.headers {
            session.check("a header of the response", name.as_bytes())?;
            values.iter().try_for_each(|value| session.check("a header of the response", value.as_bytes()))?;
        }
        Ok(())
    }
}

impl From<Violation> for InvokeError {
    fn from(violation: Violation) -> Self {
        Self::Sealed(violation.to_string())
    }
}

fn failed(error: SessionError) -> InvokeError {
    match error {
        SessionError::TooMany => InvokeError::Limit { limit: error.to_string() },
        SessionError::NoRandomness => InvokeError::Host(error.to_string()),
    }
}
