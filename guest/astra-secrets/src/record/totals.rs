//! How many tokens each organization has, for who asks.

use std::collections::BTreeMap;

use secrets_framework::{Context, Error};

use super::backfill;
use super::counts::{KeptCounts, TokenCount, count_names};
use super::walk::{Walked, visit_records};
use crate::limits::TOKENS_COUNTED_MAX;
use crate::names::OrgId;

/// How many tokens each of the organizations has.
pub(crate) fn counts(context: &Context<'_>, org_ids: &[OrgId]) -> Result<Vec<TokenCount>, Error> {
    let state = backfill::load(context)?;
    if state.complete {
        counts_by_index(context, org_ids, &state.counts)
    } else {
        counts_without_index(context, org_ids)
    }
}

/// By the index, and by the kept numbers.
fn counts_by_index(context: &Context<'_>, org_ids: &[OrgId], kept: &KeptCounts) -> Result<Vec<TokenCount>, Error> {
    let few: Vec<OrgId> = org_ids.iter().filter(|org_id| kept.of(org_id).is_none()).cloned().collect();
    let mut counted = count_names(context, &few, TOKENS_COUNTED_MAX)?.into_iter();
    let count = |org_id| kept.of(org_id).unwrap_or_else(|| TokenCount::now(counted.next().flatten()));
    Ok(org_ids.iter().map(count).collect())
}

/// Before the index is complete: each record is read, once for all organizations.
fn counts_without_index(context: &Context<'_>, org_ids: &[OrgId]) -> Result<Vec<TokenCount>, Error> {
    let mut by_org: BTreeMap<OrgId, usize> = BTreeMap::new();
    let scan_end = visit_records(context, "", |record| {
        *by_org.entry(record.org_id).or_default() += 1;
        true
    })?;
    let count = |org_id| (scan_end == Walked::All).then(|| by_org.get(org_id).copied().unwrap_or_default());
    Ok(org_ids.iter().map(|org_id| TokenCount::now(count(org_id))).collect())
}
