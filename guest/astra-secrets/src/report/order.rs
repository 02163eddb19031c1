//! The order of a report, and places in it.

use std::cmp::Ordering;

use secrets_framework::Error;

use super::token::Token;
use crate::names::{NameError, OrgId};
use crate::storage::key::{from_segment, segment};
use crate::time_text;

/// By which field a report is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Made,
    LastRead,
    LastUse,
    Expires,
    Owner,
    Role,
}

const NAMES: [(&str, By); 6] = [
    ("made", By::Made),
    ("last_read", By::LastRead),
    ("last_use", By::LastUse),
    ("expires", By::Expires),
    ("owner", By::Owner),
    ("role", By::Role),
];

/// The order of a report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Order {
    /// None = as the tokens are stored: by organization and client ID.
    by: Option<By>,
    descending: bool,
}

/// A place in a report: that of a token, which may be gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// What the report is sorted by, empty where the token has no such value; none in the stored order.
    value: Option<String>,
    /// The organization, as a segment.
    pub(super) org: String,
    /// The client ID, as a segment.
    pub(super) client: String,
}

/// What places are compared by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key {
    place: Place,
    descending: bool,
}

impl Order {
    /// The order that the field `sort` asks for.
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let name = text.strip_prefix('-').unwrap_or(text);
        let known = NAMES.iter().find(|(known, _)| *known == name);
        let (_, by) = known.ok_or_else(|| {
            let names = NAMES.map(|(name, _)| format!("`{name}`")).join(", ");
            NameError::new("sort", text, &format!("must be one of {names}, with a `-` before it for the largest first"))
        })?;
        Ok(Self { by: Some(*by), descending: name != text })
    }

    /// Is it the order in which tokens are stored?
    pub(super) fn is_stored(&self) -> bool {
        self.by.is_none()
    }

    /// The place of a token.
    pub(super) fn place(&self, token: &Token) -> Place {
        let time = |seconds: Option<u64>| seconds.and_then(time_text::of_seconds).unwrap_or_default();
        let value = self.by.map(|by| match by {
            By::Made => time(token.record.made_at().map(|made| made.as_secs())),
            By::LastRead => time(token.reads.last),
            By::LastUse => time(token.last_use()),
            By::Expires => time(token.end()),
            By::Owner => token.owner().to_owned(),
            By::Role => token.record.role_name.as_str().to_owned(),
        });
        Place { value, ..Place::of_name(&token.record.org_id, segment(&token.record.client_id)) }
    }

    /// The place that the field `after` names; none for an empty text.
    pub(crate) fn place_of_text(&self, text: &str) -> Result<Option<Place>, Error> {
        if text.is_empty() {
            return Ok(None);
        }
        let parts: Vec<&str> = text.split('/').collect();
        let place = match (parts.as_slice(), self.by) {
            ([org, client], None) => Some((None, *org, *client)),
            ([value, org, client], Some(_)) => Some((Some(*value), *org, *client)),
            _ => None,
        };
        let is_segment = |text: &str| from_segment(text).is_some_and(|plain| segment(&plain) == text);
        let place =
            place.filter(|(value, org, client)| is_segment(org) && is_segment(client) && value.is_none_or(is_segment));
        let place = place.map(|(value, org, client)| Place {
            value: value.and_then(from_segment),
            org: org.to_owned(),
            client: client.to_owned(),
        });
        let wrong =
            || NameError::new("after", text, "must be `next` of the page before, asked for with the same `sort`");
        Ok(Some(place.ok_or_else(wrong)?))
    }

    /// What a place is compared by.
    pub(super) fn key(&self, place: &Place) -> Key {
        Key { place: place.clone(), descending: self.descending }
    }
}

impl Place {
    /// The place of a name of an organization's index in the stored order.
    pub(super) fn of_name(org_id: &OrgId, client: String) -> Self {
        Self { value: None, org: segment(org_id.as_str()), client }
    }

    /// Its text, which the field `after` takes.
    pub(super) fn to_text(&self) -> String {
        let Self { value, org, client } = self;
        match value {
            None => format!("{org}/{client}"),
            Some(value) => format!("{}/{org}/{client}", segment(value)),
        }
    }
}

impl Ord for Key {
    /// Tokens without a value come last, in both directions.
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) = (&self.place, &other.place);
        let value = |place: &Place| place.value.clone().unwrap_or_default();
        let values = (value(one), value(two));
        let by_value = if self.descending { values.1.cmp(&values.0) } else { values.0.cmp(&values.1) };
        let missing = values.0.is_empty().cmp(&values.1.is_empty());
        missing.then(by_value).then_with(|| (&one.org, &one.client).cmp(&(&two.org, &two.client)))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
