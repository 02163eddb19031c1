//! Forgetting the retired config of an origin at which nothing is left, while tokens live at other origins. Its admin token
//! may be dead by then, and whoever asks all configs of the organization would fail for it.

use secrets_framework::turns::random_below;
use secrets_framework::{Context, Error};

use super::listed;
use crate::config::Retired;
use crate::in_use;
use crate::mint::BeingMade;
use crate::names::OrgId;
use crate::record::{self, Record, Searched};
use crate::storage::write_batch;

/// Forgets the retired configs of origins at which no token of the organization is or is being made. Where the origin of a
/// token is not known, each may be the one. A search among many records takes several calls, each of which goes on where
/// the one before stopped; `left` is how many records all searches of one call may still read.
///
/// Under the lock of all configs, as nothing new is made at an origin that the config has left: so no token comes to stand
/// where a search has been, and a config that leaves its origin again is kept with a new search.
pub(crate) fn drop_left_origins(context: &Context<'_>, org_id: &OrgId, left: &mut usize) -> Result<(), Error> {
    if *left == 0 {
        return Ok(());
    }
    let mut retired = Retired::load(context, org_id)?;
    let mut searches = retired.searches();
    if searches.is_empty() {
        return Ok(());
    }
    // Before the records, because a mint stores its record before its entry goes.
    let being_made = BeingMade::of(context, org_id)?;
    // A search may use up what is left, so each call begins with another origin.
    let first = random_below(context, searches.len());
    searches.rotate_left(first);
    let (mut is_changed, mut is_any_dropped) = (false, false);
    for (origin, after) in searches {
        if *left == 0 {
            break;
        }
        if being_made.may_be_at(|at| *at == origin) {
            continue;
        }
        let may_be_there = |record: &Record| record.origin.as_ref().is_none_or(|at| *at == origin);
        is_changed |= match record::search_in_org(context, org_id, &after, left, may_be_there)? {
            Searched::Found(up_to) | Searched::UpTo(up_to) => retired.note_search(&origin, Some(up_to)),
            Searched::NotFound => {
                is_any_dropped = true;
                retired.note_search(&origin, None)
            }
        };
    }
    if !is_changed {
        return Ok(());
    }
    if is_any_dropped {
        // Those of the other origins are read again when they are needed.
        listed::forget(context, org_id)?;
    }
    if !retired.has_configs() {
        in_use::forget_search(context, org_id)?;
    }
    write_batch(context, &[retired.write()?])
}

#[cfg(test)]
mod tests;
