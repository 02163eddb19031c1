//! Which tokens a report shows.

use std::collections::BTreeMap;
use std::time::Duration;

use secrets_framework::{Error, FieldData};

use super::reach::Target;
use super::token::Token;
use crate::names::NameError;
use crate::record::{Record, TokenKind};

/// What a token must be like; a part that is not set takes every token.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    owner: Option<String>,
    role: Option<String>,
    kinds: Vec<TokenKind>,
    metadata: BTreeMap<String, String>,
    unused_for: Option<Duration>,
    expires_within: Option<Duration>,
    reaches: Option<Target>,
}

impl Filter {
    /// The filter that a request asks for.
    pub(crate) fn parse(data: &FieldData) -> Result<Self, Error> {
        let metadata = data.pairs("metadata").cloned().unwrap_or_default();
        if metadata.contains_key("") {
            return Err(Error::mistake("`metadata.` names no key: write it as `metadata.team=payments`"));
        }
        let kinds = data.strings("kind").unwrap_or_default();
        let reaches = text(data, "reaches")?.map(Target::parse).transpose()?;
        Ok(Self {
            owner: text(data, "owner")?.map(str::to_owned),
            role: text(data, "role")?.map(str::to_owned),
            kinds: kinds
                .iter()
                .filter(|kind| !kind.is_empty())
                .map(|kind| parse_kind(kind))
                .collect::<Result<_, _>>()?,
            metadata,
            unused_for: data.duration("unused_for"),
            expires_within: data.duration("expires_within"),
            reaches,
        })
    }

    /// Is the record one of those that are asked for, as far as a record tells?
    pub(super) fn takes_record(&self, record: &Record) -> bool {
        let by = &record.created_by;
        let is_owner = |owner: &String| [&by.display_name, &by.entity_name, &by.entity_id].contains(&owner);
        let has = |(key, value): (&String, &String)| record.metadata.get(key).map_or("", String::as_str) == value;
        self.owner.as_ref().is_none_or(is_owner)
            && self.role.as_ref().is_none_or(|role| record.role_name.as_str() == role)
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && self.metadata.iter().all(has)
    }

    /// Is the token one of those that are asked for, by its times?
    pub(super) fn takes_times(&self, token: &Token, now: Duration) -> bool {
        let is_unused =
            |time: Duration| token.last_use().is_some_and(|last| last.saturating_add(time.as_secs()) <= now.as_secs());
        let is_ending = |time: Duration| token.end().is_some_and(|end| end <= now.saturating_add(time).as_secs());
        self.unused_for.is_none_or(is_unused) && self.expires_within.is_none_or(is_ending)
    }

    /// What the tokens must reach.
    pub(super) fn reaches(&self) -> Option<&Target> {
        self.reaches.as_ref()
    }
}

/// A text field; one that was sent empty would show every token, which nobody who filters wants.
fn text<'a>(data: &'a FieldData, name: &'static str) -> Result<Option<&'a str>, Error> {
    match data.text(name).filter(|_| data.is_set(name)) {
        Some("") => Err(Error::mistake(format!("`{name}` is empty: give it a value, or leave it out"))),
        text => Ok(text),
    }
}

fn parse_kind(text: &str) -> Result<TokenKind, NameError> {
    let kind = TokenKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    kind.ok_or_else(|| {
        let all = TokenKind::ALL.map(|kind| format!("`{}`", kind.as_str())).join(", ");
        NameError::new("kind", text, &format!("must be one or more of {all}"))
    })
}
