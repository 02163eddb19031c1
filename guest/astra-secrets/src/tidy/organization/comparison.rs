//! What Astra's lists show of one slice of an organization's records. Each
//! listed token is noted as it comes, so that no list is ever in memory: a
//! comparison is as large as its slice, however long the lists are.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::judge;
use crate::client::ListedToken;
use crate::mark::mark_of_mount;
use crate::names::ClientId;
use crate::record::IndexSlice;
use crate::storage::key::as_segment;

/// The rules by which a listed token without a record counts as an orphan.
pub(super) struct Rules {
    /// The mount's own, which its marks bear.
    pub(super) backend_uuid: String,
    /// The time of the comparison.
    pub(super) now: Duration,
    /// Tokens that are younger may still be in the making.
    pub(super) age_min: Duration,
    /// How many orphans are kept; the slice ends at the last of them.
    pub(super) orphans_max: usize,
}

/// A slice of an organization's records, and what the lists show of it.
pub(super) struct Comparison {
    /// The slice begins after this name.
    after: String,
    /// The last name of the slice; none = the slice goes to the end of the index, and beyond.
    until: Option<String>,
    records: Vec<Compared>,
    orphans: BTreeMap<String, Orphan>,
    rules: Rules,
}

/// A record of the slice.
#[derive(Debug)]
pub(super) struct Compared {
    name: String,
    /// Does any list show its token?
    pub(super) is_listed: bool,
    /// When Astra ends its token, as the first list that shows it says.
    pub(super) expiry: Option<Duration>,
}

/// A listed token with a mark of this mount and without a record.
#[derive(Debug)]
pub(super) struct Orphan {
    /// Its ID in Astra.
    pub(super) client_id: ClientId,
    /// Its mark.
    pub(super) mark: String,
    /// The number of the source that lists it.
    pub(super) source: usize,
}

/// What a comparison holds under one name.
#[derive(Debug)]
pub(super) enum Item<'a> {
    /// A record.
    Record(&'a Compared),
    /// A token without a record.
    Orphan(&'a Orphan),
}

impl Comparison {
    /// A slice of records that begins after the name `after`, not compared yet.
    pub(super) fn new(after: &str, slice: IndexSlice, rules: Rules) -> Self {
        let until = if slice.more { slice.names.last().cloned() } else { None };
        let records = slice.names.into_iter().map(|name| Compared { name, is_listed: false, expiry: None }).collect();
        Self { after: after.to_owned(), until, records, orphans: BTreeMap::new(), rules }
    }

    /// The last name of the slice; none = nothing is left after it. Lists with many orphans shorten the slice.
    pub(super) fn until(&self) -> Option<&str> {
        self.until.as_deref()
    }

    /// Notes a token that a source lists. The same token may be noted more than once; the first source counts.
    pub(super) fn see(&mut self, source: usize, token: &ListedToken) {
        let name = as_segment(&token.client_id);
        let name = name.as_ref();
        if name <= self.after.as_str() || self.until.as_ref().is_some_and(|until| name > until.as_str()) {
            return;
        }
        match self.records.binary_search_by(|record| record.name.as_str().cmp(name)) {
            Ok(index) => {
                if let Some(record) = self.records.get_mut(index).filter(|record| !record.is_listed) {
                    record.is_listed = true;
                    record.expiry = token.expiry;
                }
            }
            Err(_) => self.see_unrecorded(source, token, name),
        }
    }

    fn see_unrecorded(&mut self, source: usize, token: &ListedToken, name: &str) {
        let Rules { backend_uuid, now, age_min, orphans_max } = &self.rules;
        let description = token.description.as_deref().unwrap_or_default();
        let Some(mark) = mark_of_mount(description, backend_uuid) else { return };
        if !judge::is_settled(token, *now, *age_min) || self.orphans.contains_key(name) {
            return;
        }
        let orphan = Orphan { client_id: token.client_id.clone(), mark: mark.to_owned(), source };
        self.orphans.insert(name.to_owned(), orphan);
        if self.orphans.len() > *orphans_max {
            // The smallest names are kept, and the slice ends with them: what comes after has its turn with the next.
            self.orphans.pop_last();
            self.until = self.orphans.last_key_value().map(|(name, _)| name.clone());
        }
    }

    /// All that the slice holds, sorted by name.
    pub(super) fn items(&self) -> impl Iterator<Item = (&str, Item<'_>)> {
        let is_within = |name: &str| self.until.as_ref().is_none_or(|until| name <= until.as_str());
        let mut records = self.records.iter().take_while(move |record| is_within(&record.name)).peekable();
        let mut orphans = self.orphans.iter().peekable();
        std::iter::from_fn(move || {
            let is_record_next = match (records.peek(), orphans.peek()) {
                (Some(record), Some((name, _))) => record.name < **name,
                (record, _) => record.is_some(),
            };
            if is_record_next {
                return records.next().map(|record| (record.name.as_str(), Item::Record(record)));
            }
            orphans.next().map(|(name, orphan)| (name.as_str(), Item::Orphan(orphan)))
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    const UUID: &str = "11111111-2222-4333-8444-555555555555";
    const NOW: Duration = Duration::from_secs(1_767_225_600);

    fn slice(names: &[&str], more: bool) -> IndexSlice {
        IndexSlice { names: names.iter().map(|name| (*name).to_owned()).collect(), more }
    }

    fn rules(orphans_max: usize) -> Rules {
        Rules { backend_uuid: UUID.to_owned(), now: NOW, age_min: Duration::from_secs(600), orphans_max }
    }

    fn ours(client_id: &str) -> ListedToken {
        let mark = format!("vault-mark:{UUID}:{:032x}", 7);
        serde_json::from_value(
            json!({ "clientId": client_id, "description": mark, "generatedOn": "2025-12-31T00:00:00Z" }),
        )
        .unwrap()
    }

    fn shown(comparison: &Comparison) -> Vec<String> {
        let item = |(name, item)| match item {
            Item::Record(record) if record.is_listed => format!("{name} listed"),
            Item::Record(_) => format!("{name} missing"),
            Item::Orphan(orphan) => format!("{name} orphan of {}", orphan.source),
        };
        comparison.items().map(item).collect()
    }

    #[test]
    fn records_and_orphans_come_in_one_order_and_each_once() {
        let mut comparison = Comparison::new("", slice(&["B", "D"], false), rules(9));
        for token in ["E", "B", "A", "C", "A", "B"] {
            comparison.see(0, &ours(token));
        }
        comparison.see(1, &ours("A"));
        assert_eq!(shown(&comparison), ["A orphan of 0", "B listed", "C orphan of 0", "D missing", "E orphan of 0"]);
        assert_eq!(comparison.until(), None);
    }

    #[test]
    fn tokens_outside_of_the_slice_are_left_to_other_slices() {
        let mut comparison = Comparison::new("B", slice(&["D", "F"], true), rules(9));
        for token in ["A", "B", "C", "F", "G"] {
            comparison.see(0, &ours(token));
        }
        assert_eq!(shown(&comparison), ["C orphan of 0", "D missing", "F listed"]);
        assert_eq!(comparison.until(), Some("F"));
    }

    #[test]
    fn more_orphans_than_are_kept_end_the_slice_early_in_whatever_order_they_are_listed() {
        let names = ["E", "A", "D", "B", "C"];
        for turn in 0..names.len() {
            let mut comparison = Comparison::new("", slice(&["Aa", "Cc"], false), rules(2));
            for index in 0..names.len() {
                comparison.see(0, &ours(names[(turn + index) % names.len()]));
            }
            assert_eq!(shown(&comparison), ["A orphan of 0", "Aa missing", "B orphan of 0"], "{turn}");
            assert_eq!(comparison.until(), Some("B"));
        }
    }

    #[test]
    fn odd_client_ids_are_compared_as_the_index_names_them() {
        let mut comparison = Comparison::new("", slice(&["a%2Fb"], false), rules(9));
        comparison.see(0, &ours("a/b"));
        comparison.see(0, &ours("a.b"));
        assert_eq!(shown(&comparison), ["a%2Eb orphan of 0", "a%2Fb listed"]);
    }

    /// Each call reads one whole list, at a fixed size in memory.
    #[test]
    fn a_million_listed_tokens_are_compared_in_slices() {
        use crate::limits::{TIDY_COMPARED_MAX, TIDY_ORPHANS_MAX};
        const TOKENS: usize = 1_000_000;
        const RECORDS: usize = 2 * TIDY_COMPARED_MAX;
        let name = |number: usize| format!("Client{number:018}");
        // Each 1,000th token has no record, each 1,000th record no token.
        let step = TOKENS / RECORDS;
        let records: Vec<String> =
            (0..RECORDS).filter(|number| number % 1_000 != 1).map(|number| name(number * step)).collect();
        let mut token = ours("");
        let mark = token.description.clone();
        let (mut after, mut calls, mut missing, mut orphans) = (String::new(), 0, 0, 0);
        loop {
            let begin = records.partition_point(|record| *record <= after);
            let end = records.len().min(begin + TIDY_COMPARED_MAX);
            let slice = IndexSlice { names: records[begin..end].to_vec(), more: end < records.len() };
            let mut comparison = Comparison::new(&after, slice, rules(TIDY_ORPHANS_MAX));
            token.description = None;
            for number in (0..TOKENS).filter(|number| number % (1_000 * step) != 2 * step) {
                token.client_id = ClientId::stored(name(number));
                if number % (1_000 * step) == step {
                    token.description.clone_from(&mark);
                    comparison.see(0, &token);
                    token.description = None;
                } else {
                    comparison.see(0, &token);
                }
            }
            calls += 1;
            for (_, item) in comparison.items() {
                match item {
                    Item::Record(record) => missing += usize::from(!record.is_listed),
                    Item::Orphan(_) => orphans += 1,
                }
            }
            let Some(until) = comparison.until() else { break };
            after = until.to_owned();
        }
        assert_eq!((calls, missing, orphans), (2, RECORDS / 1_000, TOKENS.div_ceil(1_000 * step)));
    }
}
