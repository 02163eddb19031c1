//! A static role whose current token Astra ends before the role's rotation comes: the rotation comes earlier.

use secrets_framework::{Context, Error};

use super::{load_readable, lock, save};
use crate::names::{ClientId, OrgId, RoleName};
use crate::schedule::renewal_before;
use crate::schedule_queue::QueuedTask;

/// Brings the rotation of a static role forward, whose current token `client_id` Astra ends at `ends`. None = the rotation
/// comes in time, or the role has another token by now.
pub(crate) fn rotate_before(
    context: &Context<'_>,
    org_id: &OrgId,
    name: &RoleName,
    client_id: &ClientId,
    ends: u64,
) -> Result<Option<QueuedTask>, Error> {
    let _turn = lock(context, org_id, name)?;
    let same = load_readable(context, org_id, name)?.filter(|role| role.client_id.as_ref() == Some(client_id));
    let Some(mut role) = same else { return Ok(None) };
    let now = context.now().as_secs();
    let renew_at = renewal_before(ends, now, role.grace_period);
    if !role.turn.is_late_for(renew_at, now) {
        return Ok(None);
    }
    let left = role.turn.due;
    role.turn.bring_forward(renew_at, now);
    save(context, &role, left)?;
    Ok(Some(role.due_at(role.turn.due)))
}
