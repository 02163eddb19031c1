//! The end of a static role: by its deletion, which ends its tokens in Astra
//! first, or with its organization's config, when rollback ends them.

use secrets_framework::{Context, Error};

use crate::config;
use crate::ending::{Patience, Target, end_token};
use crate::events::{self, Event};
use crate::history::{self, End};
use crate::limits::{STATIC_DELETE_BUDGET, STATIC_ROLES_ENDED_MAX};
use crate::names::{ClientId, OrgId, RoleName};
use crate::read_only;
use crate::record::{self, Record, RecordId};
use crate::static_role::{
    self, StaticRole, current_record, exists, load_readable, lock, log_unreadable, lost_record, names,
};
use crate::storage::{Write, key, write_batch};
use crate::who::Who;

/// Ends the tokens of a static role in Astra, the current one last, and then
/// forgets the role. What fails is done by another attempt; until then the
/// role stays. Answers a warning: the tokens of a role that is not readable are
/// not known.
pub(crate) fn delete(context: &Context<'_>, org_id: &OrgId, name: &RoleName) -> Result<Option<String>, Error> {
    let _turn = lock(context, org_id, name)?;
    let Some(role) = load_readable(context, org_id, name)? else {
        context.storage().delete(&key::static_role(org_id, name))?;
        return Ok(Some(format!(
            "static role `{name}` could not be read, so its tokens were not ended: {}",
            static_role::tokens_by_hand(org_id, name)
        )));
    };
    read_only::check(context, || {
        format!("static role `{name}` of organization `{org_id}` was not deleted, for its tokens cannot be revoked")
    })?;
    // A node that cannot write says so here, before Astra is asked.
    context.storage().put(role.to_entry()?)?;
    let deadline = context.now() + STATIC_DELETE_BUDGET;
    let replaced = role.replaced.iter().map(|token| &token.client_id);
    for client_id in replaced.chain(&role.client_id) {
        if context.now() > deadline {
            return Err(took_too_long(&role));
        }
        end_recorded(context, &role, client_id)?;
    }
    forget(context, &role, Vec::new())?;
    log(context, &role, &events::STATIC_ROLE_DELETED);
    Ok(None)
}

/// Ends all static roles of an organization whose config is about to be deleted
/// by force. Nobody holds their tokens from then on, and rollback ends them.
/// Answers a warning for each that is not readable: it stays, and with it its
/// token's record and what is needed to revoke that.
pub(crate) fn end_all(context: &Context<'_>, org_id: &OrgId) -> Result<Vec<String>, Error> {
    end_while(context, org_id, || Ok(true))
}

/// As [`end_all`], of an organization whose config has been deleted; those of
/// one that is configured anew meanwhile are not touched.
pub(crate) fn end_left(context: &Context<'_>, org_id: &OrgId) -> Result<Vec<String>, Error> {
    end_while(context, org_id, || Ok(config::load(context, org_id)?.is_none()))
}

/// `goes` is asked under the lock of each role, before it goes.
fn end_while(
    context: &Context<'_>,
    org_id: &OrgId,
    goes: impl Fn() -> Result<bool, Error>,
) -> Result<Vec<String>, Error> {
    let (mut ended, mut warnings) = (0, Vec::new());
    for name in names(context.storage(), org_id)? {
        if ended >= STATIC_ROLES_ENDED_MAX {
            return Err(too_many(org_id));
        }
        let _turn = lock(context, org_id, &name)?;
        if !goes()? {
            break;
        }
        match load_readable(context, org_id, &name)? {
            Some(role) => match hand_back(context, &role) {
                Ok(()) => ended += 1,
                Err(error @ Error::Internal(_)) => warnings.push(not_ended(&role, &error)),
                Err(error) => return Err(error),
            },
            None if exists(context, org_id, &name)? => warnings.push(damaged(org_id, &name)),
            None => {}
        }
    }
    Ok(warnings)
}

/// Forgets a role whose current token rollback is to end at once; the replaced
/// ones have their ends already. The caller holds the role's lock.
pub(crate) fn hand_back(context: &Context<'_>, role: &StaticRole) -> Result<(), Error> {
    let now = context.now().as_secs();
    // Kept until the role is gone, so that rollback does not find the token held in between.
    let id = role.client_id.as_ref().map(RecordId::of_client);
    let _guard = id.map(|id| record::lock(context, &id)).transpose()?;
    let writes = match current_record(context, role)? {
        Some(mut record) => record::writes_of_end(&mut record, now)?,
        None => match role.client_id.as_ref().map_or(Ok(None), |client_id| lost(context, role, client_id))? {
            Some(lost) => record::writes_of_new(&Record { lease_end: Some(now), ..lost })?.into(),
            None => Vec::new(),
        },
    };
    forget(context, role, writes)?;
    log(context, role, &events::STATIC_ROLE_FORGOTTEN);
    Ok(())
}

/// Forgets a role that just took its token over, and the token's record: the token is its makers' again, and works on.
/// The caller holds the role's lock.
pub(crate) fn give_back(context: &Context<'_>, role: &StaticRole) -> Result<(), Error> {
    let id = role.client_id.as_ref().map(RecordId::of_client);
    let _guard = id.map(|id| record::lock(context, &id)).transpose()?;
    // The role first: a record of a token that was never taken over is removed by rollback, and ends nothing.
    forget(context, role, Vec::new())?;
    current_record(context, role)?.map_or(Ok(()), |record| record::remove_if_same(context, &record))
}

/// Removes the role and its entry of the schedule queue, after these changes.
fn forget(context: &Context<'_>, role: &StaticRole, mut writes: Vec<Write>) -> Result<(), Error> {
    writes.push(Write::Delete(key::static_role(&role.org_id, &role.name)));
    if role.turn.due != 0 {
        writes.push(Write::Delete(role.due_at(role.turn.due).key()));
    }
    write_batch(context, &writes)
}

/// Of a token of the role whose record was lost, what the role knows; none if the token has ended.
fn lost(context: &Context<'_>, role: &StaticRole, client_id: &ClientId) -> Result<Option<Record>, Error> {
    let has_ended = history::has_ended(context, &role.org_id, client_id)?;
    Ok((!has_ended).then(|| lost_record(role, client_id)))
}

/// Ends a token of the role in Astra; a replaced one without a record has gone already. A record that is not readable
/// keeps no role from its deletion: the role knows its tokens.
fn end_recorded(context: &Context<'_>, role: &StaticRole, client_id: &ClientId) -> Result<(), Error> {
    let id = RecordId::of_client(client_id);
    let _guard = record::lock(context, &id)?;
    let is_current = role.client_id.as_ref() == Some(client_id);
    let record = match record::load_own(context, &id)? {
        Ok(Some(record)) if record.client_id == *client_id => Some(record),
        Ok(_) if !is_current => None,
        Ok(_) => lost(context, role, client_id)?,
        Err(error) => {
            log_unreadable(context, &id, &error.to_string());
            lost(context, role, client_id)?
        }
    };
    let Some(record) = record else { return Ok(()) };
    end_token(context, &Target::of(&record, End::Deleted, Patience::Rollback))
}

fn too_many(org_id: &OrgId) -> Error {
    let sentence = format!(
        "organization `{org_id}` had too many static roles for one request: {STATIC_ROLES_ENDED_MAX} of them were ended; \
         delete the config again to go on"
    );
    Error::coded(503, sentence)
}

fn damaged(org_id: &OrgId, name: &RoleName) -> String {
    format!(
        "static role `{name}` cannot be read, so its tokens were not ended: delete `static-roles/{org_id}/{name}`, then {}",
        static_role::tokens_by_hand(org_id, name)
    )
}

fn not_ended(role: &StaticRole, error: &Error) -> String {
    format!(
        "static role `{}` could not be forgotten, so its tokens were not ended ({error}): delete \
         `static-roles/{}/{}`, then {}",
        role.name,
        role.org_id,
        role.name,
        static_role::tokens_by_hand(&role.org_id, &role.name)
    )
}

fn took_too_long(role: &StaticRole) -> Error {
    let sentence = format!(
        "not all tokens of static role `{}` of organization `{}` could be ended in time: delete it again to go on",
        role.name, role.org_id
    );
    Error::coded(504, sentence)
}

fn log(context: &Context<'_>, role: &StaticRole, event: &Event) {
    let fields = [("org", role.org_id.as_str()), ("static_role", role.name.as_str())];
    Who::of(context.request).log(context, event, &fields);
}
