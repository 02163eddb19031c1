//! One request: the table of its surrogates, and one method for each way by which data cross between host and guest.

mod answer;
mod outbound;
mod request;
mod stored;
mod stored_url;

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::base_url::BaseUrl;
use crate::declaration::Destination;
use crate::json::{BesideText, Found, FoundText};
use crate::limits::{SESSION_BYTES_MAX, SURROGATES_MAX, USES_MAX};
use crate::rules::Rules;
use crate::shape::{self, Kind};
use crate::table::{Bound, Entry, Hold, Name, Owner, Table, TableError};

pub use outbound::{AnsweredCall, OpenedHeader};
pub use request::RefusedRequest;
use stored_url::{StoredUrls, bound, of_object};

/// A surrogate is where it may not be. The text is for the log: it names the class of the value and the place, and quotes
/// nothing of the guest.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Violation(String);

/// Why a value was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The request has too many secret values.
    #[error("{SURROGATES_MAX} secret values in one request")]
    TooMany,
    /// A value of the request has too many owners and destinations.
    #[error("{USES_MAX} owners and destinations of one secret value in one request")]
    TooManyUses,
    /// The secret values of the request, and what is noted with them, are too large together.
    #[error("{SESSION_BYTES_MAX} bytes of secret values in one request, with the names and URLs that belong to them")]
    TooLarge,
    /// The machine gives no random bytes.
    #[error("the machine gives no random bytes")]
    NoRandomness,
}

impl From<TableError> for SessionError {
    fn from(error: TableError) -> Self {
        match error {
            TableError::Full => Self::TooMany,
            TableError::TooManyUses => Self::TooManyUses,
            TableError::TooLarge => Self::TooLarge,
            TableError::NoRandomness => Self::NoRandomness,
        }
    }
}

/// The sealing of one request.
pub struct Session {
    rules: Arc<Rules>,
    table: Table,
    urls: StoredUrls,
    /// The owner that the request names, for each shown field of the rules.
    asked: Vec<Option<Name>>,
    /// Hashes of entries with their keys, as the guest got them, of which rules cannot read a part: only the same may come back.
    unread: HashSet<u64>,
    hasher: RandomState,
    violation: Option<Violation>,
}

impl Session {
    /// A request to a mount with these rules.
    #[must_use]
    pub fn new(rules: Arc<Rules>) -> Self {
        Self {
            rules,
            table: Table::default(),
            urls: StoredUrls::default(),
            asked: Vec::new(),
            unread: HashSet::new(),
            hasher: RandomState::new(),
            violation: None,
        }
    }

    /// The first violation of the request, whatever the guest did afterwards.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Bytes of memory that the session holds, about: at most [`SESSION_BYTES_MAX`]. They grow only while something is
    /// sealed, and are free when the session ends.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.table.bytes()
    }

    /// Checks that a text that leaves the guest holds no surrogate. `place` is for the log.
    ///
    /// # Errors
    /// When the text holds one.
    pub fn check(&mut self, place: &str, text: &[u8]) -> Result<(), Violation> {
        let found = self.table.occurrences(text).next().map(|(_, entry)| class_name(&self.rules, entry));
        found.map_or(Ok(()), |class| Err(self.violate(&class, place)))
    }

    fn violate(&mut self, class: &str, place: &str) -> Violation {
        let violation = Violation(format!("a value of the class `{class}` is in {place}"));
        self.violation.get_or_insert_with(|| violation.clone());
        violation
    }

    /// The base URL that a declared destination names for a value that was found.
    fn bound(destination: &Destination, found: &Found, text: &FoundText) -> Bound {
        match destination {
            Destination::Nowhere | Destination::Requested { .. } => Bound::Nowhere,
            Destination::Sibling { key, otherwise } => bound(&found.beside(text.object, key), otherwise.as_deref()),
            Destination::SiblingOrigin { key, stored } => match (found.beside(text.object, key), stored) {
                (BesideText::Missing, Some(stored)) => {
                    let name = stored.named_by.iter().find_map(|key| match found.beside(text.object, key) {
                        BesideText::Text(name) => Some(name),
                        BesideText::Missing | BesideText::Other => None,
                    });
                    of_object(stored, name, None, true)
                }
                (beside, _) => match bound(&beside, None) {
                    Bound::Base(base) => Bound::Base(base.any_path()),
                    nowhere => nowhere,
                },
            },
        }
    }

    /// The base URL to which a value may be sent.
    fn base(&self, bound: &Bound) -> Option<BaseUrl> {
        match bound {
            Bound::Nowhere => None,
            Bound::Base(base) => Some(base.clone()),
            Bound::Stored(stored) => self.urls.base(stored),
        }
    }

    /// Is a value of the owner that is named? A name may be the second one of an object.
    fn is_owner(&self, owner: &Owner, named: Option<&Name>) -> bool {
        match owner {
            Owner::Undeclared => true,
            Owner::Name(owner) => {
                owner.as_ref().zip(named).is_some_and(|(owner, named)| self.urls.is_one(owner, named))
            }
        }
    }

    /// Seals a value as several classes may hold it, if the value is a secret.
    fn seal(&mut self, value: &str, holds: Vec<(usize, Bound, Owner)>) -> Result<Sealed, TableError> {
        let rules = Arc::clone(&self.rules);
        let mut sealed = Sealed::Plain;
        for (class, destination, owner) in holds {
            let Some(own) = rules.class(class) else { continue };
            sealed = match shape::kind(&own.shape, value) {
                Kind::Plain => continue,
                Kind::TooShort => return Ok(Sealed::TooShort(own.shape.secret_characters_min)),
                Kind::TooLong => return Ok(Sealed::TooLong),
                Kind::Secret(run) => {
                    let hold = Hold::Class { class, destination, owner };
                    Sealed::Surrogate(self.table.seal(&own.shape, value, &run, hold)?.to_owned())
                }
            };
        }
        Ok(sealed)
    }
}

/// What became of a value.
enum Sealed {
    Plain,
    Surrogate(String),
    TooShort(u32),
    TooLong,
}

type Replaced = Vec<(Range<usize>, Zeroizing<Vec<u8>>)>;

/// The class of a value, for the log.
fn class_name(rules: &Rules, entry: &Entry) -> String {
    let class = entry.holds.iter().find_map(|hold| match hold {
        Hold::Class { class, .. } | Hold::Withheld { class, .. } => rules.class(*class),
        Hold::Unreadable { .. } => None,
    });
    class.map_or_else(|| "(an unreadable entry)".to_owned(), |class| class.name.clone())
}

/// The keys beside a value that name its destination.
fn keys_beside(destination: &Destination) -> Vec<&str> {
    match destination {
        Destination::Nowhere => Vec::new(),
        Destination::Sibling { key, .. } => vec![key],
        Destination::SiblingOrigin { key, stored } => {
            let names = stored.iter().flat_map(|stored| &stored.named_by);
            names.chain([key]).map(String::as_str).collect()
        }
        Destination::Requested { field, .. } => field.as_deref().into_iter().collect(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
