//! What the schedule queue has for an admin token: a rotation whose time has come. One
//! that fails is tried again, later each time; one outside its window waits
//! for the next time.

use secrets_framework::{Context, Error};

use super::{lock, replace_token};
use crate::config::{self, OrgConfig};
use crate::counters::count_missed_rotation;
use crate::ending::Patience;
use crate::events;
use crate::names::OrgId;
use crate::record::TokenKind;
use crate::schedule_queue::QueuedTask;

/// Rotates the token if its config confirms that it is due.
pub(crate) fn run_due(context: &Context<'_>, org_id: &OrgId, due: &QueuedTask) -> Result<(), Error> {
    let _turn = lock(context, org_id)?;
    let now = context.now().as_secs();
    let mut begins = false;
    let taken = config::take_turn(context, due, |config| {
        begins = config.rotation_state.turn.begin(config.rotation.as_ref(), now);
    })?;
    let Some(config) = taken else { return Ok(()) };
    if !begins {
        let fields = [("org", org_id.as_str())];
        events::ADMIN_ROTATION_MISSED.log(context, &fields);
        count_missed_rotation(context, TokenKind::Admin.as_str());
        return Ok(());
    }
    match replace_token(context, &config, Patience::Rollback) {
        Ok(_) => Ok(()),
        Err(error) => {
            note_failure(context, &config, &error)?;
            Err(error)
        }
    }
}

/// The failure is kept for `config/:org/check`, unless the token was replaced meanwhile.
fn note_failure(context: &Context<'_>, failed: &OrgConfig, error: &Error) -> Result<(), Error> {
    let now = context.now().as_secs();
    config::change(context, &failed.org_id, |config| {
        let same = config.admin_token.expose() == failed.admin_token.expose();
        if same {
            config.rotation_state.turn.fail(error.to_string());
            config.rotation_state.failed = now;
        }
        same
    })?;
    Ok(())
}
