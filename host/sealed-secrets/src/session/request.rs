//! The data of a request, on the way to the guest.

use std::sync::Arc;

use thiserror::Error;

use super::stored_url::{bound, of_object};
use super::{Replaced, Sealed, Session, SessionError, keys_beside};
use crate::declaration::Destination;
use crate::json::{self, BesideText, Found, FoundText, Place, Unsearchable, Wanted};
use crate::limits::{FOUND_MAX, SECRET_CHARACTERS_MIN, VALUE_BYTES_MAX};
use crate::pattern::PathPattern;
use crate::rules::{RequestRule, ShownRule};
use crate::table::{Bound, Name, Owner};
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
        let shown = &rules.shown;
        let rules: Vec<&RequestRule> = rules.requests.iter().filter(|rule| matches(&rule.paths, path)).collect();
        let names = Names::of(path, data, shown, &rules);
        self.asked = shown.iter().map(|rule| names.first(&rule.paths, &rule.owner)).collect();
        let texts: usize = self.asked.iter().flatten().map(|name| name.text.len()).sum();
        let bytes = texts + self.asked.len() * size_of::<Option<Name>>();
        self.table.reserve(bytes).map_err(SessionError::from)?;
        if rules.is_empty() {
            return Ok(());
        }
        let places: Vec<Place<'_>> = rules.iter().map(|rule| self.rules.place(&rule.at, rule.class, false)).collect();
        let beside: Vec<&str> = rules.iter().flat_map(|rule| keys_beside(&rule.destination)).collect();
        let wanted = Wanted { places: &places, beside: &beside, any_case: true };
        let refused = |text: String| RefusedRequest::Client(text);
        let found = json::find(data.as_bytes(), wanted).map_err(|error| match error {
            Unsearchable::NotJson => refused("the data cannot be parsed as JSON".into()),
            Unsearchable::TooMany => {
                let names = names_of(&rules);
                refused(format!(
                    "the data has {names} and what belongs to it more than {FOUND_MAX} times: send it once"
                ))
            }
        })?;
        if !found.others.is_empty() {
            return Err(refused(format!("{} must be a text: send it as a JSON string", names_of(&rules))));
        }
        let mut replaced: Replaced = Vec::new();
        for text in &found.texts {
            let here: Vec<&RequestRule> = text.places.iter().filter_map(|place| rules.get(*place).copied()).collect();
            let hold = |rule: &&RequestRule| {
                let owner = match rule.owner.is_empty() {
                    true => Owner::Undeclared,
                    false => Owner::Name(names.first(&rule.paths, &rule.owner)),
                };
                (rule.class, bound_of(rule, &names, &found, text), owner)
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
fn bound_of(rule: &RequestRule, names: &Names<'_>, found: &Found, text: &FoundText) -> Bound {
    let Destination::Requested { field, stored, otherwise } = &rule.destination else {
        return Session::bound(&rule.destination, found, text);
    };
    let beside = field.as_ref().map_or(BesideText::Missing, |field| found.beside(text.object, field));
    match stored {
        Some(stored) if beside == BesideText::Missing => {
            let name = names.first(&rule.paths, &stored.named_by).map(|name| name.text);
            of_object(stored, name, otherwise.as_deref(), false)
        }
        _ => bound(&beside, otherwise.as_deref()),
    }
}

fn matches(paths: &[PathPattern], path: &str) -> bool {
    paths.iter().any(|pattern| pattern.matches(path))
}

/// The fields of rules, for the client.
fn names_of(rules: &[&RequestRule]) -> String {
    let names: Vec<String> = rules.iter().map(|rule| format!("`{}`", dotted(&rule.at))).collect();
    names.join(" or ")
}

/// What names the objects that a request is about: segments of its path, and fields that one search of its data finds.
struct Names<'a> {
    path: &'a str,
    found: Found,
}

impl<'a> Names<'a> {
    /// The names for these rules, of which those for other paths need none.
    fn of(path: &'a str, data: &str, shown: &[ShownRule], requests: &[&RequestRule]) -> Self {
        let shown = shown.iter().filter(|rule| !rule.owner.is_empty() && matches(&rule.paths, path));
        let stored = requests.iter().filter_map(|rule| match &rule.destination {
            Destination::Requested { stored, .. } => stored.as_ref(),
            _ => None,
        });
        let named_by = stored.flat_map(|stored| &stored.named_by);
        let owners = shown.flat_map(|rule| &rule.owner).chain(requests.iter().flat_map(|rule| &rule.owner));
        let keys: Vec<&str> = owners.chain(named_by).map(String::as_str).collect();
        let wanted = Wanted { beside: &keys, ..Wanted::default() };
        let found = if keys.is_empty() { None } else { json::find(data.as_bytes(), wanted).ok() };
        Self { path, found: found.unwrap_or_default() }
    }

    /// The first of named segments and fields that is there.
    fn first(&self, paths: &[PathPattern], named_by: &[String]) -> Option<Name> {
        let pattern = paths.iter().find(|pattern| pattern.matches(self.path))?;
        let in_data = |name: &String| match self.found.outermost(name) {
            BesideText::Text(text) => Some(Name { text, is_own: false }),
            BesideText::Missing | BesideText::Other => None,
        };
        let in_path = |name: &String| Some(Name { text: pattern.named(self.path, name)?.to_owned(), is_own: true });
        let named = |name: &String| in_path(name).or_else(|| in_data(name));
        named_by.iter().filter_map(named).find(|name| !name.text.is_empty())
    }
}
