//! The moment of a static role's rotation: the new token becomes the current
//! one, the one before gets an end, and all that belongs to it is written together.

use std::time::Duration;

use secrets_framework::{Context, Error, wal};

use crate::client::AstraClient;
use crate::mint::{MintedToken, SwitchError};
use crate::record::{self, Record, RecordId};
use crate::schedule::{Turn, renewal};
use crate::static_role::{Replaced, StaticRole, current_record, load, lost_record};
use crate::storage::{Write, write_batch};
use crate::time_text;

/// Puts the token of `record`, which `made` is, into the place of the role's current one.
pub(super) fn switch(
    context: &Context<'_>,
    client: &AstraClient<'_>,
    role: &mut StaticRole,
    made: &MintedToken<'_>,
    record: &Record,
) -> Result<(), Error> {
    *role = try_switch(context, client, role.clone(), made, record)
        .map_err(|not_placed| not_placed.settle(context, client, made))?;
    Ok(())
}

fn try_switch(
    context: &Context<'_>,
    client: &AstraClient<'_>,
    mut role: StaticRole,
    made: &MintedToken<'_>,
    record: &Record,
) -> Result<StaticRole, SwitchError> {
    check_unchanged(context, &role)?;
    let now = context.now().as_secs();
    let mut writes = Vec::from(record::writes_of_new(record)?);
    // Kept until all is written, so that rollback does not find the old token held, and its end for nothing.
    let id = role.client_id.as_ref().map(RecordId::of_client);
    let _guard = id.map(|id| record::lock(context, &id)).transpose()?;
    let old = current_record(context, &role)?;
    // Nobody can use a dead token on, so it takes up no room.
    let grace_period = if role.token_dead { Duration::ZERO } else { role.grace_period };
    let ends = end_of_replaced(old.as_ref(), now, now + grace_period.as_secs());
    if let Some(current) = &role.client_id {
        // A token whose record was lost is in use all the same, and is to end as any other.
        let (old, ended) = record::writes_of_replaced(context, old, || lost_record(&role, current), ends)?;
        writes.extend(ended);
        role.replaced.push(Replaced { client_id: old.client_id, ends });
    }
    let left = role.turn.due;
    role.client_id = Some(record.client_id.clone());
    role.token_url = client.config().url.to_string();
    role.token_dead = false;
    role.last_rotated = now;
    let renew_at = renewal(record.expires_at.as_deref(), now, role.grace_period);
    role.turn = Turn::after(role.schedule.as_ref(), now, renew_at);
    writes.extend(role.writes(left)?);
    writes.push(Write::Delete(wal::key(made.wal_id())));
    match write_batch(context, &writes) {
        Ok(()) => Ok(role),
        Err(error) => as_stored(context, record, error),
    }
}

/// A rotation whose commit was not answered may have happened since the role
/// was loaded: its token would be lost to one that knows nothing of it.
fn check_unchanged(context: &Context<'_>, role: &StaticRole) -> Result<(), Error> {
    let stored = load(context, &role.org_id, &role.name)?;
    if stored.and_then(|stored| stored.client_id) == role.client_id {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "static role `{}` of organization `{}` was rotated by another request at the same time, so this one changed \
         nothing: read it, and rotate again if you still want to",
        role.name, role.org_id
    )))
}

/// It ends with its grace period, unless Astra ends it before: a dead token is none that is to take up room.
fn end_of_replaced(old: Option<&Record>, now: u64, grace_ends: u64) -> u64 {
    let expiry = old.and_then(|old| old.expires_at.as_deref()).and_then(time_text::parse);
    expiry.map_or(grace_ends, |expiry| grace_ends.min(expiry.as_secs()).max(now))
}

/// Storage that fails may have stored the entry that counts, the role's.
fn as_stored(context: &Context<'_>, record: &Record, error: Error) -> Result<StaticRole, SwitchError> {
    match load(context, &record.org_id, &record.role_name) {
        Ok(Some(stored)) if stored.client_id.as_ref() == Some(&record.client_id) => Ok(stored),
        _ => Err(SwitchError::perhaps(error)),
    }
}
