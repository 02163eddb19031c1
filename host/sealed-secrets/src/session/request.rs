//! The data of a request, on the way to the guest.

use std::sync::Arc;

use thiserror::Error;

use super::stored_url::{bound, of_object};
use super::{Replaced, Sealed, Session, SessionError, keys_beside};
use crate::declaration::Destination;
use crate::json::{self, BesideText, Found, FoundText, Place, Wanted};
use crate::limits::{SECRET_CHARACTERS_MIN, VALUE_BYTES_MAX};
use crate::pattern::PathPattern;
use crate::rules::RequestRule;
use crate::table::{Bound, Owner};
use crate::words::dotted;

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
        self.asked = rules.shown.iter().map(|rule| name(&rule.paths, &rule.owner, path, data)).collect();
        let rules: Vec<&RequestRule> = rules.requests.iter().filter(|rule| matches(rule, path)).collect();
        if rules.is_empty() {
            return Ok(());
        }
        let places: Vec<Place<'_>> = rules.iter().map(|rule| Place { at: &rule.at, is_open: false }).collect();
        let beside: Vec<&str> = rules.iter().flat_map(|rule| keys_beside(&rule.destination)).collect();
        let wanted = Wanted { places: &places, beside: &beside, any_case: true };
        let refused = |text: String| RefusedRequest::Client(text);
        let found =
            json::find(data.as_bytes(), wanted).map_err(|_| refused("the data cannot be parsed as JSON".into()))?;
        if !found.others.is_empty() {
            let names: Vec<String> = rules.iter().map(|rule| format!("`{}`", dotted(&rule.at))).collect();
            return Err(refused(format!("{} must be a text: send it as a JSON string", names.join(" or "))));
        }
        let mut replaced: Replaced = Vec::new();
        for text in &found.texts {
            let here: Vec<&RequestRule> = text.places.iter().filter_map(|place| rules.get(*place).copied()).collect();
            let here = self.rules.preceding(&here, |rule| rule.class);
            let hold = |rule: &&RequestRule| {
                let owner = match rule.owner.is_empty() {
                    true => Owner::Undeclared,
                    false => Owner::Name(name(&rule.paths, &rule.owner, path, data)),
                };
                (rule.class, bound_of(rule, path, data, &found, text), owner)
            };
            let holds = here.iter().map(hold).collect();
            let field = here.first().map(|rule| dotted(&rule.at)).unwrap_or_default();
            match self.seal(&text.value, holds).map_err(SessionError::from)? {
                Sealed::Plain => {}
                Sealed::Surrogate(surrogate) => replaced.push((text.span.clone(), json::quoted(&surrogate))),
                Sealed::TooShort(least) => {
                    return Err(refused(format!(
                        "`{field}` is no secret of the expected form: it has fewer than {least} characters that could be \
                         secret, {SECRET_CHARACTERS_MIN} of them in a row; check that the whole value was sent"
                    )));
                }
                Sealed::TooLong => return Err(refused(format!("`{field}` has more than {VALUE_BYTES_MAX} bytes"))),
            }
        }
        if !replaced.is_empty() {
            let mut bytes = std::mem::take(data).into_bytes();
            json::splice(&mut bytes, &replaced);
            *data = String::from_utf8(bytes).unwrap_or_default();
        }
        Ok(())
    }
}

/// Where a value of a request may be sent.
fn bound_of(rule: &RequestRule, path: &str, data: &str, found: &Found, text: &FoundText) -> Bound {
    let Destination::Requested { field, stored, otherwise } = &rule.destination else {
        return Session::bound(&rule.destination, found, text);
    };
    let beside = field.as_ref().map_or(BesideText::Missing, |field| found.beside(text.object, field));
    match stored {
        Some(stored) if beside == BesideText::Missing => {
            of_object(stored, name(&rule.paths, &stored.named_by, path, data), otherwise.as_deref(), false)
        }
        _ => bound(&beside, otherwise.as_deref()),
    }
}

fn matches(rule: &RequestRule, path: &str) -> bool {
    rule.paths.iter().any(|pattern| pattern.matches(path))
}

/// The name of the object that a request is about: the first of named segments and fields that is there.
fn name(paths: &[PathPattern], named_by: &[String], path: &str, data: &str) -> Option<String> {
    let pattern = paths.iter().find(|pattern| pattern.matches(path))?;
    let in_data = |name: &String| {
        let wanted = Wanted { beside: &[name], ..Wanted::default() };
        match json::find(data.as_bytes(), wanted).ok()?.outermost(name) {
            BesideText::Text(text) => Some(text),
            BesideText::Missing | BesideText::Other => None,
        }
    };
    let named = |name: &String| pattern.named(path, name).map(str::to_owned).or_else(|| in_data(name));
    named_by.iter().filter_map(named).find(|name| !name.is_empty())
}
