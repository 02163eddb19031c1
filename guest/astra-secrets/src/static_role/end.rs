//! The end of a static role: by its deletion, which ends its tokens in Astra
//! first, or with its organization's config, when rollback ends them.

use secrets_framework::host::LogLevel;
use secrets_framework::{Context, Error};

use super::{StaticRole, current_record, key, load_readable, lock, names, stored};
use crate::astra_token::{Patience, Target, end_token};
use crate::config::{Write, together};
use crate::error::Failure;
use crate::history::End;
use crate::lease::lock_token;
use crate::limits::{STATIC_DELETE_BUDGET, STATIC_ROLES_ENDED_MAX};
use crate::names::{OrgId, RoleName};
use crate::record::{self, RecordId};

/// Ends the tokens of a static role in Astra, the current one last, and then
/// forgets the role. What fails is done by another attempt; until then the
/// role stays. Answers a warning: the tokens of a role that is not readable are
/// not known.
pub(crate) fn delete(context: &Context<'_>, org_id: &OrgId, name: &RoleName) -> Result<Option<String>, Failure> {
    let _turn = lock(context, org_id, name)?;
    let Some(role) = load_readable(context, org_id, name)? else {
        context.host.storage().delete(&key(org_id, name))?;
        return Ok(Some(format!(
            "static role `{name}` was not readable, so its tokens were not ended: delete them at `tokens/{org_id}`"
        )));
    };
    // A node that cannot write says so here, before Astra is asked.
    context.host.storage().put(stored::encode(&role)?)?;
    let deadline = context.host.clock().now() + STATIC_DELETE_BUDGET;
    let replaced = role.replaced.iter().map(|token| &token.client_id);
    for client_id in replaced.chain([&role.client_id]) {
        if context.host.clock().now() > deadline {
            return Err(Error::coded(504, took_too_long(&role)).into());
        }
        end_recorded(context, org_id, client_id)?;
    }
    forget(context, &role, Vec::new())?;
    log(context, &role, "a static role was deleted, and its tokens");
    Ok(None)
}

/// Ends all static roles of an organization whose config is being deleted by
/// force. Nobody holds their tokens from then on, and rollback ends them.
pub(crate) fn end_all(context: &Context<'_>, org_id: &OrgId) -> Result<(), Failure> {
    for (count, name) in names(context.host.storage(), org_id)?.iter().enumerate() {
        if count >= STATIC_ROLES_ENDED_MAX {
            return Err(Error::coded(
                503,
                format!(
                    "organization `{org_id}` had too many static roles for one request: {count} of them were ended; \
                     delete the config again to go on"
                ),
            )
            .into());
        }
        let _turn = lock(context, org_id, name)?;
        if let Some(role) = load_readable(context, org_id, name)? {
            let_go(context, &role)?;
        }
    }
    Ok(())
}

/// Forgets a role whose current token rollback is to end at once; the replaced
/// ones have their ends already. The caller holds the role's lock.
pub(crate) fn let_go(context: &Context<'_>, role: &StaticRole) -> Result<(), Failure> {
    let now = context.host.clock().now().as_secs();
    // Kept until the role is gone, so that rollback does not find the token held in between.
    let _guard = lock_token(context, &RecordId::of_client(&role.client_id))?;
    let writes = match current_record(context, role)? {
        Some(mut record) => record::writes_of_end(&mut record, now)?,
        None => Vec::new(),
    };
    forget(context, role, writes)?;
    log(context, role, "a static role was forgotten with its organization's config; its token is about to end");
    Ok(())
}

/// Removes the role and its entry of the agenda, after these changes.
fn forget(context: &Context<'_>, role: &StaticRole, mut writes: Vec<Write>) -> Result<(), Error> {
    writes.push(Write::Delete(key(&role.org_id, &role.name)));
    if role.due != 0 {
        writes.push(Write::Delete(role.due_at(role.due).key()));
    }
    together(context, &writes)
}

/// Ends a token in Astra; one without a record has gone already.
fn end_recorded(context: &Context<'_>, org_id: &OrgId, client_id: &str) -> Result<(), Failure> {
    let id = RecordId::of_client(client_id);
    let _guard = lock_token(context, &id)?;
    let Some(record) = record::load(context, &id)?.filter(|record| record.client_id == client_id) else {
        return Ok(());
    };
    let target = Target {
        org_id,
        client_id,
        origin: record.origin.as_ref(),
        record: Some(&record),
        how: End::Deleted,
        patience: Patience::Rollback,
    };
    end_token(context, &target)
}

fn took_too_long(role: &StaticRole) -> String {
    format!(
        "not all tokens of static role `{}` of organization `{}` could be ended in time: delete it again to go on",
        role.name, role.org_id
    )
}

fn log(context: &Context<'_>, role: &StaticRole, message: &str) {
    let identity = &context.request.identity;
    context.host.log().log(
        LogLevel::Info,
        message,
        &[
            ("org", role.org_id.as_str()),
            ("static_role", role.name.as_str()),
            ("display_name", &identity.display_name),
            ("entity_id", &identity.entity_id),
            ("request_id", &context.request.id),
        ],
    );
}
