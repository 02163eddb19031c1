//! What the agenda has for an admin token: a rotation whose time has come. One
//! that fails is tried again, later each time; one outside its window waits
//! for the next time.

use secrets_framework::host::LogLevel;
use secrets_framework::{Context, Error};

use super::{lock, replace_token};
use crate::agenda::Due;
use crate::astra_token::Patience;
use crate::config::{self, OrgConfig};
use crate::error::Failure;
use crate::names::OrgId;
use crate::schedule::retry_pause;

/// Rotates the token if its config confirms that it is due.
pub(crate) fn run_due(context: &Context<'_>, org_id: &OrgId, due: &Due) -> Result<(), Failure> {
    let _turn = lock(context, org_id)?;
    let now = context.host.clock().now().as_secs();
    let mut begins = false;
    let taken = config::take_turn(context, due, |config| {
        begins = may_begin(config, now);
        if begins {
            plan_retry(config, now);
        } else {
            wait_for_schedule(config, now);
        }
    })?;
    let Some(config) = taken else { return Ok(()) };
    if !begins {
        let fields = [("org", org_id.as_str())];
        let message = "the rotation of an admin token missed its window and waits for the next";
        context.host.log().log(LogLevel::Warn, message, &fields);
        return Ok(());
    }
    match replace_token(context, &config, Patience::Rollback) {
        Ok(_) => Ok(()),
        Err(failure) => {
            let error = failure.into_error();
            note_failure(context, &config, &error)?;
            Err(error.into())
        }
    }
}

/// The failure is kept for `config/:org/check`, unless the token was replaced meanwhile.
fn note_failure(context: &Context<'_>, failed: &OrgConfig, error: &Error) -> Result<(), Failure> {
    let now = context.host.clock().now().as_secs();
    config::change(context, &failed.org_id, |config| {
        let same = config.admin_token.expose() == failed.admin_token.expose();
        if same {
            let state = &mut config.rotation_state;
            state.failures = state.failures.saturating_add(1);
            state.failed = now;
            state.error = error.to_string();
        }
        same
    })?;
    Ok(())
}

fn may_begin(config: &OrgConfig, now: u64) -> bool {
    config.rotation.as_ref().is_some_and(|schedule| schedule.may_begin(config.rotation_state.scheduled, now))
}

/// Where this attempt fails, the next one comes after a pause, if that is still within the window.
fn plan_retry(config: &mut OrgConfig, now: u64) {
    let retry = now + retry_pause(config.rotation_state.failures.saturating_add(1)).as_secs();
    if may_begin(config, retry) {
        config.rotation_state.due = retry;
    } else {
        wait_for_schedule(config, now);
    }
}

fn wait_for_schedule(config: &mut OrgConfig, now: u64) {
    let next = config.rotation.as_ref().and_then(|schedule| schedule.next_after(now)).unwrap_or_default();
    (config.rotation_state.due, config.rotation_state.scheduled) = (next, next);
}
