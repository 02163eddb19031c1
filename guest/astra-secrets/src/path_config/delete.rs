//! Deleting a config. While tokens of the organization are alive, something
//! must be left to revoke them with.

use secrets_framework::host::LogLevel;
use secrets_framework::{Context, FieldData};

use crate::config::{self, Retired, Write};
use crate::error::{Failure, Outcome};
use crate::mint;
use crate::names::OrgId;
use crate::record;

use super::write::CONFIG_LOCK;

/// Deletes a config; deleting what is not there succeeds.
pub(super) fn delete(context: &Context<'_>, data: &FieldData, org_id: &OrgId) -> Outcome {
    let _turn = context.host.locks().acquire(CONFIG_LOCK)?;
    let Some(config) = config::load(context, org_id)? else { return Ok(None) };
    let mut writes = Vec::new();
    let has_tokens = record::any_in_org(context, org_id)?;
    // An unsettled mint may still turn up a token that must be revoked.
    if has_tokens || mint::any_open_in_org(context, org_id)? {
        if has_tokens && !data.bool("force").unwrap_or(false) {
            return Err(Failure::mistake(format!(
                "organization `{org_id}` has tokens that are alive: revoke them first, or delete with `force=true`, \
                 and its admin token is kept, hidden, to revoke them, until the last has gone"
            )));
        }
        writes.push(Retired::load(context, org_id)?.keep(&config)?);
    }
    // In this order, for a server without transactions: at no time is nothing left to revoke with.
    writes.push(Write::Delete(config::key(org_id)));
    writes.extend(config::rename(config.logical_name.as_ref(), None, org_id)?);
    config::together(context, &writes)?;
    let kept = if has_tokens { "true" } else { "false" };
    let fields = [("org", org_id.as_str()), ("kept_to_revoke", kept)];
    context.host.log().log(LogLevel::Info, "a config was deleted", &fields);
    Ok(None)
}
