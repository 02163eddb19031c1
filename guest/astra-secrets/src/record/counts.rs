//! Numbers of tokens. Few tokens are counted when somebody asks. Of many, the number is kept that the walk of the index
//! found last: to count them takes the names of all, which a server without pages sends in one piece.

use std::collections::BTreeMap;

use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::index::{client_folder, org_ids};
use crate::limits::{LIST_PAGE, TOKENS_KEPT_COUNT_MIN, TOKENS_RECOUNT_PAUSE, TOKENS_RECOUNTED_MAX};
use crate::names::OrgId;
use crate::storage::visit_names;

/// How many tokens an organization has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenCount {
    /// None = more than one request may count.
    pub(crate) tokens: Option<usize>,
    /// When they were counted, in seconds since 1970-01-01T00:00:00Z; none = just now.
    pub(crate) counted: Option<u64>,
}

impl TokenCount {
    pub(super) fn now(tokens: Option<usize>) -> Self {
        Self { tokens, counted: None }
    }
}

/// The numbers that are kept, by organization.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct KeptCounts {
    /// When they were counted.
    at: u64,
    /// Of organizations with at least [`TOKENS_KEPT_COUNT_MIN`] tokens.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tokens: BTreeMap<OrgId, usize>,
}

impl KeptCounts {
    /// Counts anew where it is time for that. A clock that was set back is no reason to wait.
    pub(super) fn refresh(&mut self, context: &Context<'_>, now: u64) -> Result<(), Error> {
        let again = self.at.saturating_add(TOKENS_RECOUNT_PAUSE.as_secs());
        if (self.at..again).contains(&now) {
            return Ok(());
        }
        let org_ids = org_ids(context.storage())?;
        let counted = org_ids.iter().zip(count_names(context, &org_ids, TOKENS_RECOUNTED_MAX)?);
        let many = counted.filter_map(|(org_id, count)| Some((org_id.clone(), count?)));
        self.tokens = many.filter(|(_, count)| *count >= TOKENS_KEPT_COUNT_MIN).collect();
        self.at = now;
        Ok(())
    }

    /// The number that is kept of an organization.
    pub(super) fn of(&self, org_id: &OrgId) -> Option<TokenCount> {
        self.tokens.get(org_id).map(|tokens| TokenCount { tokens: Some(*tokens), counted: Some(self.at) })
    }
}

/// Counts the names in the index, at most `max` of all organizations together: a count may be off by a crash's left-over.
pub(super) fn count_names(context: &Context<'_>, org_ids: &[OrgId], max: usize) -> Result<Vec<Option<usize>>, Error> {
    let mut left = max;
    let count = |org_id: &OrgId| {
        // Each further list would cost a page of names.
        if left == 0 {
            return Ok(None);
        }
        let mut count = 0;
        visit_names(context.storage(), &client_folder(org_id), "", LIST_PAGE, |_| {
            count += 1;
            Ok(count <= left)
        })?;
        let counted = (count <= left).then_some(count);
        left -= counted.unwrap_or(left);
        Ok(counted)
    };
    org_ids.iter().map(count).collect()
}
