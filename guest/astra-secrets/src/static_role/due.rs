//! What the agenda has for a static role: a rotation whose time has come. One
//! that fails is tried again, later each time; one that is outside its window
//! waits for the next time.

use secrets_framework::Context;
use secrets_framework::host::LogLevel;

use super::{StaticRole, load_readable, lock, rotate, save};
use crate::agenda::{Due, drop_entry};
use crate::astra_token::Patience;
use crate::error::Failure;
use crate::names::{OrgId, RoleName};
use crate::schedule::retry_pause;

/// Rotates the token if its static role confirms that it is due. Whatever
/// happens, the entry moves or goes, unless storage itself fails.
pub(crate) fn run_due(context: &Context<'_>, org_id: &OrgId, name: &str, due: &Due) -> Result<(), Failure> {
    let name = RoleName::stored(name);
    let _turn = lock(context, org_id, &name)?;
    let confirmed = load_readable(context, org_id, &name)?.filter(|role| role.due == due.at);
    let Some(mut role) = confirmed else { return Ok(drop_entry(context, due)?) };
    let now = context.host.clock().now().as_secs();
    if !may_begin(&role, now) {
        log(context, &role, "a static role's rotation missed its window and waits for the next");
        role.wait_for_schedule(now);
        return Ok(save(context, &role, due.at)?);
    }
    // Moved first: one that does not come back must not stand first in line again a minute later.
    let retry = now + retry_pause(role.failures.saturating_add(1)).as_secs();
    role.due = retry;
    save(context, &role, due.at)?;
    let Err(failure) = rotate(context, &mut role, Patience::Rollback) else { return Ok(()) };
    let error = failure.into_error();
    // A rotation whose commit was not answered may have happened all the same.
    let same = load_readable(context, org_id, &name)?.filter(|stored| stored.client_id == role.client_id);
    if same.is_some() {
        postpone(context, &mut role, error.to_string());
        save(context, &role, retry)?;
    }
    Err(error.into())
}

fn may_begin(role: &StaticRole, now: u64) -> bool {
    role.schedule.as_ref().is_some_and(|schedule| schedule.may_begin(role.scheduled, now))
}

/// Tries again after a pause, if that is still within the window.
fn postpone(context: &Context<'_>, role: &mut StaticRole, error: String) {
    let now = context.host.clock().now().as_secs();
    role.failures = role.failures.saturating_add(1);
    role.last_error = error;
    let retry = now + retry_pause(role.failures).as_secs();
    if may_begin(role, retry) {
        role.due = retry;
    } else {
        role.wait_for_schedule(now);
    }
}

fn log(context: &Context<'_>, role: &StaticRole, message: &str) {
    let fields = [("org", role.org_id.as_str()), ("static_role", role.name.as_str())];
    context.host.log().log(LogLevel::Warn, message, &fields);
}
