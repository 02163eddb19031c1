//! What the schedule queue has for a static role: a rotation whose time has come. One
//! that fails is tried again, later each time; one that is outside its window
//! waits for the next time.

use secrets_framework::Context;
use secrets_framework::Error;

use super::rotate;
use crate::counters::count_missed_rotation;
use crate::ending::Patience;
use crate::events;
use crate::names::{OrgId, RoleName};
use crate::record::TokenKind;
use crate::schedule_queue::{QueuedTask, drop_entry};
use crate::static_role::{load_readable, lock, save};

/// Rotates the token if its static role confirms that it is due. Whatever
/// happens, the entry moves or goes, unless storage itself fails.
pub(crate) fn run_due(context: &Context<'_>, org_id: &OrgId, name: &str, due: &QueuedTask) -> Result<(), Error> {
    let name = RoleName::stored(name);
    let _turn = lock(context, org_id, &name)?;
    let confirmed = load_readable(context, org_id, &name)?.filter(|role| role.turn.due == due.at);
    let Some(mut role) = confirmed else { return drop_entry(context, due) };
    let begins = role.turn.begin(role.schedule.as_ref(), context.now().as_secs());
    save(context, &role, due.at)?;
    if !begins {
        let fields = [("org", org_id.as_str()), ("static_role", name.as_str())];
        events::STATIC_ROTATION_MISSED.log(context, &fields);
        count_missed_rotation(context, TokenKind::Static.as_str());
        return Ok(());
    }
    let Err(error) = rotate(context, &mut role, Patience::Rollback) else { return Ok(()) };
    // A rotation whose commit was not answered may have happened all the same.
    let same = load_readable(context, org_id, &name)?.filter(|stored| stored.client_id == role.client_id);
    if same.is_some() {
        role.turn.fail(error.to_string());
        save(context, &role, role.turn.due)?;
    }
    Err(error)
}
