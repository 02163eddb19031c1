//! When Astra ends the admin token of each organization: for the metrics, and for a rotation that would come after that
//! end. Only Astra's list of tokens surely tells. Rollback reads the list as far as that token, once a day for each
//! organization and after each change of the token.

use std::time::Duration;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use crate::config::{self, OrgConfig};
use crate::ending::Patience;
use crate::events;
use crate::limits::{ADMIN_END_KEPT, ADMIN_END_LISTS_MAX, ADMIN_END_ORGANIZATIONS_MAX, HELD_LOOK_PERIOD};
use crate::names::{ClientId, OrgId};
use crate::schedule::renewal_before;
use crate::storage::key::{ADMIN_END_PREFIX, ADMIN_END_STATE_KEY, segment};
use crate::storage::read_many;
use crate::time_text;

/// What Astra's list showed of an admin token. Times are in seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct AdminEnd {
    client_id: ClientId,
    /// When Astra ends the token; none = Astra tells no end.
    pub(crate) ends: Option<u64>,
    /// When the list showed that.
    pub(crate) seen: u64,
}

/// How far the look came.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct State {
    /// The last organization that was looked at; empty = the look begins.
    after: String,
    /// When the next look begins; 0 = none has been planned.
    next: u64,
}

impl AdminEnd {
    /// Is this of the config's admin token?
    pub(crate) fn is_of(&self, config: &OrgConfig) -> bool {
        config.admin_token.is(&self.client_id)
    }

    /// When a rotation must replace the token; 0 = never.
    fn renew_at(&self, config: &OrgConfig, now: u64) -> u64 {
        self.ends.map_or(0, |ends| renewal_before(ends, now, config.rotation_grace_period()))
    }

    /// Does the rotation of the config's admin token come too late for this end?
    fn is_too_early_for(&self, config: &OrgConfig, now: u64) -> bool {
        config.rotation_state.turn.is_late_for(self.renew_at(config, now), now)
    }

    /// A clock that was set back is no reason to believe it for longer.
    fn is_fresh(&self, now: u64) -> bool {
        (self.seen..self.seen.saturating_add(ADMIN_END_KEPT.as_secs())).contains(&now)
    }
}

impl State {
    /// Is it too early? A clock that was set back is no reason to wait.
    fn rests(&self, now: u64) -> bool {
        let earliest = self.next.saturating_sub(HELD_LOOK_PERIOD.as_secs());
        self.after.is_empty() && (earliest..self.next).contains(&now)
    }
}

/// Where the end of an organization's admin token is noted; goes with the config.
pub(crate) fn key(org_id: &OrgId) -> String {
    format!("{ADMIN_END_PREFIX}{}", segment(org_id.as_str()))
}

/// What is known of the organizations' admin tokens, each in the place of its organization.
pub(crate) fn load_each(context: &Context<'_>, org_ids: &[OrgId]) -> Result<Vec<Option<AdminEnd>>, Error> {
    let keys: Vec<String> = org_ids.iter().map(key).collect();
    let read = read_many(context.storage(), &keys)?;
    Ok(read.into_iter().map(|read| read.ok().flatten().and_then(|entry| entry.parsed())).collect())
}

/// Goes on with the look, if it is time for one, until `deadline`.
pub(crate) fn look(context: &Context<'_>, deadline: Duration) -> Result<(), Error> {
    let mut state = load(context)?;
    let now = context.now().as_secs();
    if state.rests(now) {
        return Ok(());
    }
    let mut org_ids = config::org_ids(context.storage())?;
    if org_ids.is_empty() {
        return Ok(());
    }
    if state.next == 0 {
        return store(context, &State { next: now + HELD_LOOK_PERIOD.as_secs(), ..state });
    }
    org_ids.retain(|org_id| org_id.as_str() > state.after.as_str());
    org_ids.sort();
    let is_last_part = org_ids.len() <= ADMIN_END_ORGANIZATIONS_MAX;
    org_ids.truncate(ADMIN_END_ORGANIZATIONS_MAX);
    let mut listed = 0;
    for (org_id, known) in org_ids.iter().zip(load_each(context, &org_ids)?) {
        if listed >= ADMIN_END_LISTS_MAX || context.now() > deadline {
            return store(context, &state);
        }
        org_id.as_str().clone_into(&mut state.after);
        // Deleted since the list was made, or damaged: `check` names it.
        let Ok(Some(config)) = config::load_own(context, org_id)? else { continue };
        let Some(client_id) = config.admin_token.client_id() else { continue };
        let known = known.filter(|known| known.is_of(&config) && known.is_fresh(now));
        if known.as_ref().is_some_and(|known| !known.is_too_early_for(&config, now)) {
            continue;
        }
        // Noted first: a list that does not come back must not stand in the way of the others.
        store(context, &state)?;
        // What is known serves where a rotation was not brought forward, or was planned since.
        let end = if known.is_some() {
            known
        } else {
            listed += 1;
            ask(context, &config, &client_id)?
        };
        if let Some(end) = end.filter(|end| end.is_too_early_for(&config, now)) {
            rotate_before(context, &config.org_id, &end)?;
        }
    }
    if is_last_part {
        state = State { after: String::new(), next: now + HELD_LOOK_PERIOD.as_secs() };
    }
    store(context, &state)
}

/// Reads Astra's list as far as the admin token. A failure is logged and stops nothing: the next look asks again.
fn ask(context: &Context<'_>, config: &OrgConfig, client_id: &ClientId) -> Result<Option<AdminEnd>, Error> {
    let client = Patience::Rollback.client(context, config);
    match client.find_token(|token| token.client_id == *client_id) {
        Ok(Some(token)) => {
            let ends = token.expiry.map(|expiry| expiry.as_secs());
            let end = AdminEnd { client_id: client_id.clone(), ends, seen: context.now().as_secs() };
            context.storage().put(StorageEntry::json(key(&config.org_id), &end)?)?;
            Ok(Some(end))
        }
        // A list that does not show the token that asks is not whole: `check` says so.
        Ok(None) => Ok(None),
        Err(error) => {
            let error = client.failure(&error).to_string();
            let fields = [("org", config.org_id.as_str()), ("error", &error)];
            events::ADMIN_TOKEN_END_UNKNOWN.log(context, &fields);
            Ok(None)
        }
    }
}

/// Brings the rotation of the admin token forward, if the config still has the token and its rotation comes too late: the
/// rotation that made the token may not have been told of the end, and nothing told of that of an operator's token. What
/// fails is logged and tried again by the next look; only storage that fails stops the look.
fn rotate_before(context: &Context<'_>, org_id: &OrgId, end: &AdminEnd) -> Result<(), Error> {
    let now = context.now().as_secs();
    let changed = config::change(context, org_id, |config| {
        let is_too_late = end.is_of(config) && end.is_too_early_for(config, now);
        if is_too_late {
            let renew_at = end.renew_at(config, now);
            config.rotation_state.turn.bring_forward(renew_at, now);
        }
        is_too_late
    });
    match changed {
        Ok(None) => Ok(()),
        Ok(Some(_)) => {
            let ends = end.ends.and_then(time_text::of_seconds).unwrap_or_default();
            let fields = [("org", org_id.as_str()), ("client_id", &end.client_id), ("ends", &ends)];
            events::ROTATION_BROUGHT_FORWARD.log(context, &fields);
            Ok(())
        }
        Err(error @ Error::Plain(_)) => Err(error),
        Err(error) => {
            let error = error.to_string();
            let fields = [("org", org_id.as_str()), ("client_id", &end.client_id), ("error", &error)];
            events::ROTATION_NOT_BROUGHT_FORWARD.log(context, &fields);
            Ok(())
        }
    }
}

/// A state that cannot be read is none, and the look is planned anew.
fn load(context: &Context<'_>) -> Result<State, Error> {
    let entry = context.storage().get(ADMIN_END_STATE_KEY)?;
    Ok(entry.and_then(|entry| entry.parsed()).unwrap_or_default())
}

fn store(context: &Context<'_>, state: &State) -> Result<(), Error> {
    Ok(context.storage().put(StorageEntry::json(ADMIN_END_STATE_KEY, state)?)?)
}

#[cfg(test)]
mod tests;
