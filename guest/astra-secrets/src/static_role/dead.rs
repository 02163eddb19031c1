//! A static role whose current token was found dead in Astra: its rotation
//! comes at once, by the schedule queue, which backs off where the rotation fails.

use secrets_framework::Context;
use secrets_framework::Error;

use super::{load_readable, lock, save};
use crate::names::{ClientId, OrgId, RoleName};
use crate::schedule_queue::QueuedTask;

/// A rotation that was brought forward.
#[derive(Debug)]
pub(crate) struct Soon {
    /// Its entry in the schedule queue.
    pub(crate) due: QueuedTask,
    /// Why it failed last, where it has.
    pub(crate) failed: Option<String>,
}

/// Brings the rotation of a static role forward, whose current token `client_id` was found dead. None = the role has
/// another token by now, or is damaged and has no schedule.
pub(crate) fn replace_soon(
    context: &Context<'_>,
    org_id: &OrgId,
    name: &RoleName,
    client_id: &ClientId,
) -> Result<Option<Soon>, Error> {
    let _turn = lock(context, org_id, name)?;
    let same = load_readable(context, org_id, name)?.filter(|role| role.client_id.as_ref() == Some(client_id));
    let Some(mut role) = same.filter(|role| role.schedule.is_some()) else { return Ok(None) };
    let left = role.turn.due;
    let was_known = std::mem::replace(&mut role.token_dead, true);
    role.turn.hurry(context.now().as_secs());
    if !was_known || role.turn.due != left {
        save(context, &role, left)?;
    }
    let failed = (role.turn.failures > 0).then(|| role.turn.error.clone());
    Ok(Some(Soon { due: role.due_at(role.turn.due), failed }))
}
