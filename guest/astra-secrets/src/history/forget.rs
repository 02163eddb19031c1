//! How long the history of an ended token is kept.

use secrets_framework::{Context, Error};

use super::quarantine;
use super::stored::{self, History};
use crate::limits::HISTORY_KEPT;
use crate::storage::{OwnRead, TokenRef, Write};

/// What is to be done about the history of a token that has no record.
pub(crate) struct Keeping {
    /// When to look at the history again; none = nothing is left of the token.
    pub(crate) look_at: Option<u64>,
    /// The changes that are due now.
    pub(crate) writes: Vec<Write>,
}

/// The time at which a history can be deleted whose last change was at `from`, in seconds since 1970-01-01T00:00:00Z.
pub(crate) fn forget_at(from: u64) -> u64 {
    from.saturating_add(HISTORY_KEPT.as_secs())
}

/// Decides about the history of a token that has no record.
pub(crate) fn keep_or_forget(context: &Context<'_>, token: &TokenRef, read: OwnRead) -> Result<Keeping, Error> {
    let TokenRef { org_id, client_id, .. } = token;
    let now = context.now().as_secs();
    let mut history = match read {
        Ok(Some(entry)) => stored::decode(context, entry),
        Ok(None) => return Ok(Keeping { look_at: None, writes: Vec::new() }),
        Err(_) => return Ok(Keeping { look_at: Some(forget_at(now)), writes: Vec::new() }),
    };
    // When its token ended is not known of a history that cannot be read, so it is kept for the whole time once more.
    if let Some(aside) = quarantine::quarantine(context, org_id, client_id, &mut history) {
        let writes = vec![aside, Write::Put(history.to_entry(org_id, client_id)?)];
        return Ok(Keeping { look_at: Some(forget_at(now)), writes });
    }
    let forget_at = forget_at(last_change(&history));
    if forget_at > now {
        return Ok(Keeping { look_at: Some(forget_at), writes: Vec::new() });
    }
    let mut writes = quarantine::forget(context, org_id, client_id, &history)?;
    writes.push(Write::Delete(stored::key(org_id, client_id)));
    Ok(Keeping { look_at: None, writes })
}

/// The end of the token; of a history without one, its last event.
fn last_change(history: &History) -> u64 {
    let event = history.events.last().map_or(0, |event| event.at);
    history.ended.as_ref().map_or(event.max(history.set_aside), |ended| ended.at)
}
