//! How long the history of an ended token is kept.

use secrets_framework::{Context, Error};

use super::stored::{History, key};
use crate::events;
use crate::limits::HISTORY_KEPT;
use crate::storage::{OwnRead, TokenRef, Write};

/// The time at which a history can be deleted whose last change was at `from`, in seconds since 1970-01-01T00:00:00Z.
pub(crate) fn forget_at(from: u64) -> u64 {
    from.saturating_add(HISTORY_KEPT.as_secs())
}

/// Decides about the history of a token that has no record: when to look at the history again, unless nothing is left of
/// the token, and what is to be changed now.
pub(crate) fn keep_or_forget(
    context: &Context<'_>,
    token: &TokenRef,
    read: OwnRead,
) -> Result<(Option<u64>, Option<Write>), Error> {
    let TokenRef { org_id, client_id, .. } = token;
    let now = context.now().as_secs();
    let (history, is_readable) = match read {
        Ok(Some(entry)) => History::read(&entry),
        Ok(None) => return Ok((None, None)),
        Err(_) => return Ok((Some(forget_at(now)), None)),
    };
    if !is_readable {
        events::HISTORY_UNREADABLE.log(context, &[("key", &key(org_id, client_id))]);
        // Stored in a form that can be read, the history is deleted the next time.
        return Ok((Some(forget_at(now)), Some(Write::Put(history.to_entry(org_id, client_id)?))));
    }
    let forget_at = forget_at(history.last_change());
    Ok(match forget_at > now {
        true => (Some(forget_at), None),
        false => (None, Some(Write::Delete(key(org_id, client_id)))),
    })
}
