//! The data of a request, on the way to the guest.

use std::sync::Arc;

use thiserror::Error;

use super::{Replaced, Sealed, Session, SessionError, dotted};
use crate::declaration::{Destination, StoredUrl};
use crate::json::{self, BesideText, Place, Wanted};
use crate::rules::RequestRule;

/// Why a request does not reach the guest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RefusedRequest {
    /// A mistake of the client: the text names the field.
    #[error("{0}")]
    Client(String),
    /// The values could not be sealed.
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Session {
    /// Puts surrogates into the data of a request.
    ///
    /// # Errors
    /// When a declared field holds what is no secret of its class.
    pub fn seal_request(&mut self, path: &str, data: &mut String) -> Result<(), RefusedRequest> {
        let rules = Arc::clone(&self.rules);
        let rules: Vec<&RequestRule> = rules.requests.iter().filter(|rule| matches(rule, path)).collect();
        if rules.is_empty() {
            return Ok(());
        }
        let places: Vec<Place<'_>> = rules.iter().map(|rule| Place { at: &rule.at, is_open: false }).collect();
        let beside = names(&rules);
        let wanted = Wanted { places: &places, beside: &beside, any_case: true };
        let refused = |text: String| RefusedRequest::Client(text);
        let found =
            json::find(data.as_bytes(), wanted).map_err(|_| refused("the data of the request is no JSON".into()))?;
        if !found.others.is_empty() {
            let names: Vec<String> = rules.iter().map(|rule| format!("`{}`", dotted(&rule.at))).collect();
            return Err(refused(format!("{} must be a text: send it as a JSON string", names.join(" or "))));
        }
        let mut replaced: Replaced = Vec::new();
        for text in &found.texts {
            let here: Vec<&RequestRule> = text.places.iter().filter_map(|place| rules.get(*place).copied()).collect();
            let here = self.rules.preceding(&here, |rule| rule.class);
            for rule in &here {
                self.want_url(rule, path, data);
            }
            let holds = here.iter().map(|rule| (rule.class, self.bound(&rule.destination, &found, text))).collect();
            let field = here.first().map(|rule| dotted(&rule.at)).unwrap_or_default();
            match self.seal(&text.value, holds).map_err(SessionError::from)? {
                Sealed::Plain => {}
                Sealed::Surrogate(surrogate) => replaced.push((text.span.clone(), json::quoted(&surrogate))),
                Sealed::TooShort(least) => {
                    return Err(refused(format!(
                        "`{field}` is no secret of the expected form: it has fewer than {least} characters that could be \
                         secret, 16 of them in a row; check that the whole value was sent"
                    )));
                }
                Sealed::TooLong => return Err(refused(format!("`{field}` has more than 65536 bytes"))),
            }
        }
        if !replaced.is_empty() {
            let mut bytes = std::mem::take(data).into_bytes();
            json::splice(&mut bytes, &replaced);
            *data = String::from_utf8(bytes).unwrap_or_default();
        }
        Ok(())
    }

    /// Remembers whose base URL counts if the request names none.
    fn want_url(&mut self, rule: &RequestRule, path: &str, data: &str) {
        if let Destination::Requested { stored: Some(stored), otherwise, .. } = &rule.destination {
            self.urls.want(stored, name(rule, stored, path, data), otherwise.as_deref());
        }
    }
}

fn matches(rule: &RequestRule, path: &str) -> bool {
    rule.paths.iter().any(|pattern| pattern.matches(path))
}

/// The keys whose texts name a base URL.
fn names<'a>(rules: &[&'a RequestRule]) -> Vec<&'a str> {
    let key = |rule: &&'a RequestRule| match &rule.destination {
        Destination::Nowhere => None,
        Destination::Sibling { key, .. } => Some(key.as_str()),
        Destination::Requested { field, .. } => Some(field.as_str()),
    };
    rules.iter().filter_map(key).collect()
}

/// The name of the object that a request is about.
fn name(rule: &RequestRule, stored: &StoredUrl, path: &str, data: &str) -> Option<String> {
    let in_path = |name: &String| {
        let pattern = rule.paths.iter().find(|pattern| pattern.matches(path))?;
        pattern.named(path, name).map(str::to_owned)
    };
    let in_data = |name: &String| {
        let at = [name.clone()];
        let place = [Place { at: &at, is_open: false }];
        let wanted = Wanted { places: &place, beside: &[], any_case: false };
        let mut found = json::find(data.as_bytes(), wanted).ok()?;
        found.texts.pop().map(|text| String::clone(&text.value))
    };
    stored.named_by.iter().find_map(|name| in_path(name).or_else(|| in_data(name)))
}

/// What an object of the outermost level holds under keys.
pub(super) fn top_level(text: &[u8], keys: &[&str]) -> Vec<BesideText> {
    let find = |key: &&str| {
        let at = [(*key).to_owned()];
        let place = [Place { at: &at, is_open: false }];
        let found = json::find(text, Wanted { places: &place, beside: &[key], any_case: false });
        found.map_or(BesideText::Other, |found| found.beside(1, key))
    };
    keys.iter().map(find).collect()
}
