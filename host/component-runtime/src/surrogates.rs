//! The surrogates of one request, at the border between host and guest: storage, HTTP and the log each in one place,
//! request and response in `module.rs`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use envelope::Response;
use http::request::Parts;
use http::{HeaderValue, header};
use sealed_secrets::{AnsweredCall, RefusedRequest, Rules, Session, SessionError, Violation};

use crate::InvokeError;
use crate::memory_account::Account;

/// The surrogates of one request; `None` if the module has no secret values. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Surrogates(Option<Arc<Mutex<Charged>>>);

/// A session whose memory is on the account of its request.
struct Charged {
    session: Session,
    account: Account,
    /// Bytes of the session that are on the account.
    bytes: usize,
}

impl Charged {
    /// Seals, and charges what the session holds afterwards, also if the sealing failed halfway. The charge comes after
    /// the allocation, which the limits of the session bound.
    fn seal<T, E: From<SessionError>>(&mut self, seal: impl FnOnce(&mut Session) -> Result<T, E>) -> Result<T, E> {
        let sealed = seal(&mut self.session);
        let held = self.session.held_bytes();
        // The account notes the limit, which is the reason that the request reports.
        self.account.keep(held.saturating_sub(self.bytes)).map_err(|_| SessionError::TooLarge)?;
        self.bytes = held;
        sealed
    }
}

impl Surrogates {
    /// The surrogates of one request to a module with these rules. Their memory is on the account of the request.
    pub(crate) fn new(rules: &Arc<Rules>, account: &Account) -> Self {
        let charged = || Charged { session: Session::new(Arc::clone(rules)), account: account.clone(), bytes: 0 };
        Self((!rules.is_empty()).then(|| Arc::new(Mutex::new(charged()))))
    }

    fn charged(&self) -> Option<MutexGuard<'_, Charged>> {
        self.0.as_ref().map(|charged| charged.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts surrogates into the data of a request.
    ///
    /// # Errors
    /// When a declared field contains a value that is not a secret of its class.
    pub(crate) fn seal_request(&self, path: &str, data: &mut String) -> Result<(), InvokeError> {
        let Some(mut charged) = self.charged() else { return Ok(()) };
        let sealed = charged.seal(|session| session.seal_request(path, data));
        sealed.map_err(|error| match error {
            RefusedRequest::Client(text) => InvokeError::Refused(text),
            RefusedRequest::Session(error) => {
                charged.account.refused().map_or_else(|| failed(error), InvokeError::from)
            }
        })
    }

    /// Puts surrogates into an entry that the guest reads.
    ///
    /// # Errors
    /// When the request has too many secrets, or they take too much memory.
    pub(crate) fn seal_entry(&self, key: &str, value: &mut Vec<u8>) -> Result<(), SessionError> {
        self.charged().map_or(Ok(()), |mut charged| charged.seal(|session| session.seal_stored(key, value)))
    }

    /// Puts values into an entry that the guest writes.
    ///
    /// # Errors
    /// When a surrogate is where its value may not be.
    pub(crate) fn open_entry(&self, key: &str, value: &mut Vec<u8>) -> Result<(), Violation> {
        self.charged().map_or(Ok(()), |mut charged| charged.session.open_stored(key, value))
    }

    /// Checks that texts that leave the guest contain no surrogate.
    ///
    /// # Errors
    /// When a text contains one.
    pub(crate) fn check<'a>(&self, place: &str, texts: impl IntoIterator<Item = &'a [u8]>) -> Result<(), Violation> {
        let Some(mut charged) = self.charged() else { return Ok(()) };
        let session = &mut charged.session;
        texts.into_iter().try_for_each(|text| session.check(place, text))
    }

    /// Puts a value into the head of a request, and checks the rest of the head. Returns the declared call, if the
    /// answer will contain secrets. An upstream may take a `disguised` request for another one, so it is no declared call.
    ///
    /// # Errors
    /// When a surrogate is where its value may not be.
    pub(crate) fn open_head(&self, head: &mut Parts, disguised: bool) -> Result<Option<AnsweredCall>, Violation> {
        let Some(mut charged) = self.charged() else { return Ok(None) };
        let session = &mut charged.session;
        session.check("the URL of a request", head.uri.to_string().as_bytes())?;
        let mut sent = None;
        for (name, value) in &mut head.headers {
            // Only one token, so that its owner's answer is known.
            if name != header::AUTHORIZATION || sent.is_some() || disguised {
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
    /// When the request has too many secrets, or they take too much memory.
    pub(crate) fn seal_answer(&self, call: &AnsweredCall, body: &mut Vec<u8>) -> Result<(), SessionError> {
        self.charged().map_or(Ok(()), |mut charged| charged.seal(|session| session.seal_answer(call, body)))
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
        match self.charged().and_then(|charged| charged.session.violation().cloned()) {
            Some(violation) => Err(violation.into()),
            None => answer,
        }
    }

    fn open_response(&self, path: &str, response: &mut Response) -> Result<(), Violation> {
        let Some(mut charged) = self.charged() else { return Ok(()) };
        let session = &mut charged.session;
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
        SessionError::TooMany | SessionError::TooManyUses | SessionError::TooLarge => {
            InvokeError::Limit { limit: error.to_string() }
        }
        SessionError::NoRandomness => InvokeError::Host(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use sealed_secrets::{Alphabet, Class, Declaration, Destination, Shape, StoredField};

    use super::*;
    use crate::memory_account::{MemoryLimit, ProcessMemory};

    fn rules() -> Arc<Rules> {
        let class = Class {
            name: "token".into(),
            shape: Shape {
                public: String::new(),
                alphabet: Alphabet::LowerHex,
                plain_endings: vec![],
                secret_characters_min: 16,
            },
            request_fields: vec![],
            stored_fields: vec![StoredField {
                prefix: "config/".into(),
                at: vec!["token".into()],
                destination: Destination::Nowhere,
                owner: None,
            }],
            unreadable_fields: vec![],
            answered_fields: vec![],
            bearer_of: vec![],
            shown_fields: vec![],
            becomes: vec![],
        };
        Arc::new(Rules::new([&Declaration { classes: vec![class] }]))
    }

    #[test]
    fn the_memory_of_a_session_is_on_the_account_of_its_request() {
        let mount = ProcessMemory::new(0).mount();
        let entry = || format!("{{\"token\":\"{}\"}}", "0123456789abcdef".repeat(4)).into_bytes();
        let account = mount.account(usize::MAX);
        let surrogates = Surrogates::new(&rules(), &account);
        surrogates.seal_entry("config/a", &mut entry()).unwrap();
        let held = mount.held();
        assert!(held > 2 * 64, "value and surrogate: {held}");
        surrogates.seal_entry("config/b", &mut entry()).unwrap();
        assert_eq!(mount.held(), held, "a known value takes no more");
        drop((surrogates, account));
        assert_eq!(mount.held(), 0);

        let account = mount.account(held - 1);
        let surrogates = Surrogates::new(&rules(), &account);
        assert_eq!(surrogates.seal_entry("config/a", &mut entry()), Err(SessionError::TooLarge));
        assert_eq!(account.refused(), Some(MemoryLimit::Request(held - 1)));
    }
}
