//! Outbound requests and the answers to them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::Uri;
use zeroize::Zeroizing;

use super::{Replaced, Sealed, Session, SessionError, Violation, class_name};
use crate::base_url::BaseUrl;
use crate::json::{self, Place, Wanted};
use crate::rules::AnsweredRule;
use crate::table::{Bound, Entry, Hold, Owner};

/// The scheme of the header that may carry a value.
const BEARER: &str = "Bearer ";

/// What the guest gets in the place of an answer that the host cannot read: no JSON, so that an engine takes the answer
/// for what it is.
const UNREADABLE_ANSWER: &[u8] = b"(the host withheld this answer: it is not the JSON that the engine declared)";

/// A call whose answer holds secrets.
#[derive(Debug)]
pub struct AnsweredCall {
    /// Indexes of the rules of its fields.
    rules: Vec<usize>,
    base: BaseUrl,
    /// Whose the answered values are: the owners of the token of the request.
    owners: Vec<Owner>,
}

/// The header of a request with the value in the place of its surrogate.
#[derive(Debug)]
pub struct OpenedHeader {
    /// The header.
    pub value: Zeroizing<Vec<u8>>,
    owners: Vec<Owner>,
}

impl Session {
    /// The `authorization` header of a request that is sent: the value in the place of its surrogate, or none if the
    /// header holds no surrogate.
    ///
    /// # Errors
    /// When the request may not carry the value.
    pub fn open_authorization(
        &mut self,
        method: &str,
        uri: &Uri,
        header: &[u8],
    ) -> Result<Option<OpenedHeader>, Violation> {
        let text = std::str::from_utf8(header).unwrap_or_default();
        let scheme_is_bearer = text.get(..BEARER.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(BEARER));
        let token = text.get(BEARER.len()..).filter(|_| scheme_is_bearer).unwrap_or_default();
        let Some(entry) = self.table.behind(token) else {
            return self.check("the `authorization` header of a request, with other text", header).map(|()| None);
        };
        let owners = self.senders(entry, method, uri);
        if owners.is_empty() {
            let class = class_name(&self.rules, entry);
            return Err(
                self.violate(&class, "the `authorization` header of a request that is no declared call to its API")
            );
        }
        let mut value = Zeroizing::new(Vec::with_capacity(BEARER.len() + entry.value.len()));
        value.extend_from_slice(BEARER.as_bytes());
        value.extend_from_slice(entry.value.as_bytes());
        Ok(Some(OpenedHeader { value, owners }))
    }

    /// The owners as whose value an entry may be sent with a request; none if the request may not carry it.
    fn senders(&self, entry: &Entry, method: &str, uri: &Uri) -> Vec<Owner> {
        if uri.query().is_some() {
            return Vec::new();
        }
        let called = |class: usize| -> Vec<BaseUrl> {
            let calls = self.rules.class(class).map(|class| class.bearer_of.as_slice()).unwrap_or_default();
            let bases = calls.iter().filter_map(|call| BaseUrl::of_request(uri, call.base(method, uri.path())?));
            bases.collect()
        };
        // A value may have many holds of one class, and many of one owner.
        let (mut of_class, mut known) = (HashMap::new(), HashSet::new());
        let sender = |hold: &Hold| {
            let Hold::Class { class, destination, owner } = hold else { return None };
            let called = of_class.entry(*class).or_insert_with(|| called(*class));
            let base = if called.is_empty() { None } else { self.base(destination) }?;
            let is_new = called.iter().any(|called| base.fits(called)) && known.insert(owner.clone());
            is_new.then(|| owner.clone())
        };
        entry.holds.iter().filter_map(sender).collect()
    }

    /// The declared call that a request is, whose answer holds secrets. `opened` is the request's header, if it carries a
    /// value.
    #[must_use]
    pub fn answered_call(&self, method: &str, uri: &Uri, opened: Option<&OpenedHeader>) -> Option<AnsweredCall> {
        let fits = |rule: &AnsweredRule| rule.call.base(method, uri.path());
        let rules: Vec<usize> =
            (0..).zip(&self.rules.answered).filter(|(_, rule)| fits(rule).is_some()).map(|(index, _)| index).collect();
        let path = self.rules.answered.iter().find_map(fits)?;
        // Without a token of anybody, the answer is nobody's.
        let owners = opened.map_or_else(|| vec![Owner::Undeclared], |opened| opened.owners.clone());
        Some(AnsweredCall { rules, base: BaseUrl::of_request(uri, path)?, owners })
    }

    /// Puts surrogates into the body of an answer. An answer that is not the declared JSON is replaced as a whole.
    ///
    /// # Errors
    /// When the request has too many secrets.
    pub fn seal_answer(&mut self, call: &AnsweredCall, body: &mut Vec<u8>) -> Result<(), SessionError> {
        if body.is_empty() {
            return Ok(());
        }
        let rules = Arc::clone(&self.rules);
        let rules: Vec<&AnsweredRule> = call.rules.iter().filter_map(|rule| rules.answered.get(*rule)).collect();
        let places: Vec<Place<'_>> = rules.iter().map(|rule| self.rules.place(&rule.at, rule.class, false)).collect();
        let found = json::find(body, Wanted { places: &places, beside: &[], any_case: false });
        let Some(found) = found.ok().filter(|found| found.others.is_empty()) else {
            withhold(body);
            return Ok(());
        };
        let mut replaced: Replaced = Vec::new();
        // A value may be there many times, and the token of the request may have many owners.
        let mut known: HashMap<(&str, &[usize]), Zeroizing<Vec<u8>>> = HashMap::new();
        for text in &found.texts {
            let own = (text.value.as_str(), text.places.as_slice());
            if let Some(surrogate) = known.get(&own) {
                replaced.push((text.span.clone(), surrogate.clone()));
                continue;
            }
            let here: Vec<&AnsweredRule> = text.places.iter().filter_map(|place| rules.get(*place).copied()).collect();
            let hold = |class, owner: &Owner| (class, Bound::Base(call.base.clone()), owner.clone());
            let holds = here.iter().flat_map(|rule| call.owners.iter().map(|owner| hold(rule.class, owner))).collect();
            match self.seal(&text.value, holds)? {
                Sealed::Plain => {}
                Sealed::Surrogate(surrogate) => {
                    let surrogate = json::quoted(&surrogate);
                    known.insert(own, surrogate.clone());
                    replaced.push((text.span.clone(), surrogate));
                }
                Sealed::TooShort(_) | Sealed::TooLong => {
                    withhold(body);
                    return Ok(());
                }
            }
        }
        json::splice(body, &replaced);
        Ok(())
    }
}

fn withhold(body: &mut Vec<u8>) {
    let withheld: Replaced = vec![(0..body.len(), Zeroizing::new(UNREADABLE_ANSWER.to_vec()))];
    json::splice(body, &withheld);
}
