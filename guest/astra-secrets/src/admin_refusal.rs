//! The warning that Astra refuses an organization's admin token. Rollback and
//! tidy find that out first, and a dead admin token cannot replace itself, so
//! the warning is a line of its own: at most one an hour for each organization.

use secrets_framework::host::{Host, StorageEntry};
use serde::{Deserialize, Serialize};

use crate::client::{ClientError, upstream};
use crate::config::{self, OrgConfig};
use crate::events;
use crate::limits::ADMIN_REFUSAL_LOG_PERIOD;
use crate::names::{ClientId, OrgId};
use crate::storage::key::{ADMIN_REFUSAL_PREFIX, segment};

/// The last warning of one organization.
#[derive(Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(default)]
struct Warned {
    /// The refused admin token; empty = the token has not the form of an Astra token.
    client_id: ClientId,
    /// When, in seconds since 1970-01-01T00:00:00Z.
    at: u64,
}

/// Logs that Astra refused the admin token of `asked` with `error`, unless that was logged within the hour. A token
/// that is not the organization's current one, such as a retired config's, is not warned of.
pub(crate) fn warn(host: &dyn Host, asked: &OrgConfig, error: &ClientError) {
    let org_id = &asked.org_id;
    let client_id = asked.admin_token.client_id().unwrap_or_default();
    let now = host.clock().now().as_secs();
    if was_warned(host, org_id, &client_id, now) || !is_current(host, asked) {
        return;
    }
    let error = upstream(host, org_id, error).to_string();
    let fields = [("org", org_id.as_str()), ("client_id", &client_id), ("error", &error)];
    events::ADMIN_TOKEN_REFUSED.log_on(host, &fields);
    let warned = Warned { client_id, at: now };
    let stored = StorageEntry::json(key(org_id), &warned).and_then(|entry| Ok(host.storage().put(entry)?));
    if let Err(error) = stored {
        let fields = [("org", org_id.as_str()), ("error", &error.to_string())];
        events::WARNING_NOT_NOTED.log_on(host, &fields);
    }
}

/// Where the last warning of an organization is noted; goes with the config.
pub(crate) fn key(org_id: &OrgId) -> String {
    format!("{ADMIN_REFUSAL_PREFIX}{}", segment(org_id.as_str()))
}

/// What cannot be read is no reason to be silent, and neither is a clock that was set back.
fn was_warned(host: &dyn Host, org_id: &OrgId, client_id: &ClientId, now: u64) -> bool {
    let entry = host.storage().get(&key(org_id)).ok().flatten();
    let warned: Option<Warned> = entry.and_then(|entry| entry.parsed());
    warned.is_some_and(|warned| {
        let again = warned.at.saturating_add(ADMIN_REFUSAL_LOG_PERIOD.as_secs());
        warned.client_id == *client_id && (warned.at..again).contains(&now)
    })
}

fn is_current(host: &dyn Host, asked: &OrgConfig) -> bool {
    let current = config::load_from(host.storage(), &asked.org_id).ok().flatten();
    current
        .is_some_and(|current| current.url == asked.url && current.admin_token.expose() == asked.admin_token.expose())
}

#[cfg(test)]
mod tests;
