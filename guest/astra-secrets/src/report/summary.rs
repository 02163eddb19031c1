//! How many tokens there are, by what people ask for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::token::Token;
use crate::limits::SUMMARY_NAMES_MAX;

/// Counts of tokens. Those of several requests can be added up.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    tokens: usize,
    by_organization: Counts,
    by_role: Counts,
    by_kind: Counts,
    by_owner: Counts,
    by_metadata: Counts,
    by_age: Bands,
    by_last_use: Bands,
    by_expiry: Bands,
    #[serde(skip)]
    now: Duration,
}

/// Tokens by name; beyond the limit of names, tokens are counted under [`OTHERS`].
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
struct Counts(BTreeMap<String, usize>);

/// Tokens by how long ago something was, or is to come.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Bands(Vec<Band>);

#[derive(Debug, Serialize)]
struct Band {
    up_to: &'static str,
    #[serde(skip)]
    seconds: u64,
    tokens: usize,
}

const DAY: u64 = 24 * 3600;
const AGES: [(&str, u64); 6] =
    [("1d", DAY), ("7d", 7 * DAY), ("30d", 30 * DAY), ("90d", 90 * DAY), ("365d", 365 * DAY), (MORE, u64::MAX)];
const EXPIRIES: [(&str, u64); 6] =
    [("1h", 3600), ("1d", DAY), ("7d", 7 * DAY), ("30d", 30 * DAY), ("90d", 90 * DAY), (MORE, u64::MAX)];

/// The last band that has an end, and the one of tokens without such a time.
const MORE: &str = "more";
const NONE: &str = "none";

/// What tokens are counted under whose name has no room.
const OTHERS: &str = "(others)";

impl Summary {
    /// Nothing counted yet.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            tokens: 0,
            by_organization: Counts::default(),
            by_role: Counts::default(),
            by_kind: Counts::default(),
            by_owner: Counts::default(),
            by_metadata: Counts::default(),
            by_age: Bands::new(AGES),
            by_last_use: Bands::new(AGES),
            by_expiry: Bands::new(EXPIRIES),
            now,
        }
    }

    /// Counts a token.
    pub(super) fn count(&mut self, token: &Token) {
        let (record, now) = (&token.record, self.now.as_secs());
        self.tokens += 1;
        self.by_organization.add(record.org_id.as_str());
        self.by_role.add(record.role_name.as_str());
        self.by_kind.add(record.kind.as_str());
        self.by_owner.add(token.owner());
        for (key, value) in &record.metadata {
            self.by_metadata.add(&format!("{key}={value}"));
        }
        self.by_age.add(token.age(self.now).map(|age| age.as_secs()));
        self.by_last_use.add(token.last_use().map(|last| now.saturating_sub(last)));
        self.by_expiry.add(token.end().map(|end| end.saturating_sub(now)));
    }
}

impl Counts {
    fn add(&mut self, name: &str) {
        let has_room = self.0.len() < SUMMARY_NAMES_MAX || self.0.contains_key(name);
        *self.0.entry(if has_room { name } else { OTHERS }.to_owned()).or_default() += 1;
    }
}

impl Bands {
    fn new(bands: [(&'static str, u64); 6]) -> Self {
        let band = |(up_to, seconds)| Band { up_to, seconds, tokens: 0 };
        Self(bands.into_iter().map(band).chain([band((NONE, 0))]).collect())
    }

    /// Counts a token in the first band that is long enough; one without a time in the last.
    fn add(&mut self, seconds: Option<u64>) {
        let is_it = |band: &&mut Band| match seconds {
            Some(seconds) => seconds <= band.seconds && band.up_to != NONE,
            None => band.up_to == NONE,
        };
        if let Some(band) = self.0.iter_mut().find(is_it) {
            band.tokens += 1;
        }
    }
}
