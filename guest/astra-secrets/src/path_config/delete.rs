//! Deleting a config. While tokens of the organization are alive, something
//! must be left to revoke them with.

use secrets_framework::{Context, Error, FieldData, Outcome, Response};

use crate::admin_end;
use crate::admin_refusal;
use crate::admin_rotation;
use crate::astra_role;
use crate::config::{self, Retired};
use crate::ending::{drop_retired_if_unused, leave_to_rollback};
use crate::events;
use crate::in_use;
use crate::names::OrgId;
use crate::read_only;
use crate::record;
use crate::static_role;
use crate::static_rotation;
use crate::storage::{self, Write};

/// Deletes a config; deleting what is not there succeeds.
pub(super) fn delete(context: &Context<'_>, data: &FieldData, org_id: &OrgId) -> Outcome {
    let force = data.bool("force").unwrap_or(false);
    if force {
        // It hands the organization's tokens to rollback, which may not end them.
        read_only::check(context, || {
            format!(
                "the config of organization `{org_id}` was not deleted with `force=true`, for its tokens cannot be revoked"
            )
        })?;
        check_room(context, org_id)?;
        // While there is still a config: it is deleted again where this fails. And before the lock of all
        // configs is taken: a static role that is being rotated may be waited for.
        static_rotation::end_all(context, org_id)?;
    }
    forget(context, org_id, force)?;
    // A mint or a static role that was under way may have come since the looks
    // before, and an earlier deletion may have failed here: so what is kept is
    // dropped only after another look.
    let warnings = static_rotation::end_left(context, org_id)?;
    let dropped = config::lock(context).and_then(|_turn| drop_retired_if_unused(context, org_id));
    leave_to_rollback(context, org_id, dropped);
    Ok((!warnings.is_empty()).then(|| Response { warnings, ..Response::default() }))
}

/// Refuses, before any static role is ended, a deletion that could not keep what revocation needs.
fn check_room(context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
    let Ok(Some(config)) = config::load_own(context, org_id)? else { return Ok(()) };
    let mut retired = Retired::load(context, org_id)?;
    retired.discard_damage();
    retired.check_room(config.url.origin())
}

/// Forgets the config itself, and keeps what is needed to revoke with.
fn forget(context: &Context<'_>, org_id: &OrgId, force: bool) -> Result<(), Error> {
    let _turn = config::lock(context)?;
    let config = match config::load_own(context, org_id)? {
        Ok(config) => config,
        Err(damage) if force => return forget_damaged(context, org_id, &damage),
        Err(damage) => return Err(damage),
    };
    if config.is_none() && !force {
        return Ok(());
    }
    let mut retired = Retired::load(context, org_id)?;
    let given_up = if force { retired.discard_damage() } else { None };
    let Some(config) = config else {
        // A deletion before this one may have left what cannot be read.
        if given_up.is_some() {
            storage::write_batch(context, &[retired.write()?])?;
        }
        log_given_up(context, org_id, given_up);
        return Ok(());
    };
    // A static role counts by itself: its token's record may be lost or damaged.
    let has_tokens = match record::any_given_out(context, org_id) {
        // What is not known, perhaps while records are being indexed, is no reason to wait: all is kept to revoke with.
        Err(_) if force => true,
        any => any? || !static_role::names(context.storage(), org_id)?.is_empty(),
    };
    if has_tokens && !force {
        return Err(Error::mistake(format!(
            "organization `{org_id}` has tokens that are alive: revoke them first, or delete with `force=true`, \
             and its admin token is kept, hidden, to revoke them, until the last has gone; a record that cannot be read \
             counts as a token that is alive"
        )));
    }
    // Before the config, for a deletion that is repeated goes no further where the config is gone.
    astra_role::forget(context, org_id)?;
    // In this order, for a server without transactions: at no time is nothing left to revoke with.
    let mut writes = vec![in_use::write_of_new_search(org_id), retired.keep(&config)?];
    let mut hand_back = admin_rotation::hand_back(context, &config, None)?;
    writes.append(&mut hand_back.writes);
    writes.extend(deletions(org_id));
    writes.extend(config::tasks(&config).iter().map(|task| Write::Delete(task.key())));
    writes.extend(config::rename(config.logical_name.as_ref(), None, org_id)?);
    storage::write_batch(context, &writes)?;
    log_given_up(context, org_id, given_up);
    let kept = if has_tokens { "true" } else { "false" };
    let fields = [("org", org_id.as_str()), ("kept_to_revoke", kept)];
    events::CONFIG_DELETED.log(context, &fields);
    Ok(())
}

/// The changes that delete the config and what is known of its admin token.
fn deletions(org_id: &OrgId) -> impl Iterator<Item = Write> {
    [config::key(org_id), admin_refusal::key(org_id), admin_end::key(org_id)].into_iter().map(Write::Delete)
}

/// Forgets a config that cannot be read. Its admin token cannot be kept: tokens that live are revoked again once the
/// config is written anew.
fn forget_damaged(context: &Context<'_>, org_id: &OrgId, damage: &Error) -> Result<(), Error> {
    astra_role::forget(context, org_id)?;
    let writes: Vec<Write> = std::iter::once(in_use::write_of_new_search(org_id)).chain(deletions(org_id)).collect();
    storage::write_batch(context, &writes)?;
    events::DAMAGED_CONFIG_DELETED.log(context, &[("org", org_id.as_str()), ("error", &damage.to_string())]);
    Ok(())
}

fn log_given_up(context: &Context<'_>, org_id: &OrgId, given_up: Option<String>) {
    if let Some(reason) = given_up {
        let fields = [("org", org_id.as_str()), ("reason", &reason)];
        events::RETIRED_CONFIG_GIVEN_UP.log(context, &fields);
    }
}
