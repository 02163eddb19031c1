//! The hourly look of rollback: for each organization that has static roles,
//! their tokens are compared with Astra's list, and those that are dead are
//! replaced by the schedule queue, as are those that Astra ends before their
//! rotation comes. How far the look came is kept in one entry.

use std::ops::ControlFlow;
use std::time::Duration;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use super::{EarlyEnd, HeldTokens, Missing, Verdict, judge};
use crate::client::AstraClient;
use crate::config;
use crate::ending::Patience;
use crate::events;
use crate::limits::{HELD_LOOK_PERIOD, HELD_ORGANIZATIONS_PER_ROLLBACK_MAX, HELD_PROOFS_MAX, ROLLBACK_REQUEST_TIMEOUT};
use crate::names::OrgId;
use crate::static_role;
use crate::storage::key::{HELD_LOOK_STATE_KEY, STATIC_ROLE_PREFIX, from_segment};
use crate::time_text;

/// How far the look came. Times are in seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct State {
    /// The last folder below `static-role/` that was looked at; empty = the look begins.
    after: String,
    /// When the look began.
    began: u64,
    /// When the next look begins; 0 = none has been planned.
    next: u64,
}

impl State {
    /// Is it too early? A clock that was set back is no reason to wait.
    fn rests(&self, now: u64) -> bool {
        let earliest = self.next.saturating_sub(HELD_LOOK_PERIOD.as_secs());
        self.after.is_empty() && (earliest..self.next).contains(&now)
    }
}

/// Goes on with the look, if it is time for one, until `deadline`. A mount without static roles is left after one list.
/// True = the schedule queue has something to do now, for tokens that are dead or about to end.
pub(crate) fn look(context: &Context<'_>, deadline: Duration) -> Result<bool, Error> {
    let storage = context.storage();
    let first = storage.list_page(STATIC_ROLE_PREFIX, "", HELD_ORGANIZATIONS_PER_ROLLBACK_MAX)?;
    if first.is_empty() {
        return Ok(false);
    }
    let now = context.now();
    let mut state = load(context)?;
    if state.next == 0 {
        // Static roles are new here, and so are their tokens: none is judged before.
        let next = now + context.host.system_view().wal_minimum_age().min(HELD_LOOK_PERIOD);
        store(context, &State { next: next.as_secs(), ..state })?;
        return Ok(false);
    }
    if state.rests(now.as_secs()) {
        return Ok(false);
    }
    let folders = if state.after.is_empty() {
        state.began = now.as_secs();
        first
    } else {
        storage.list_page(STATIC_ROLE_PREFIX, &state.after, HELD_ORGANIZATIONS_PER_ROLLBACK_MAX)?
    };
    let mut found = false;
    for folder in &folders {
        if context.now() > deadline {
            return Ok(found);
        }
        // Noted first: a look that does not come back must not stand in the way of the others.
        let before = std::mem::replace(&mut state.after, folder.clone());
        store(context, &state)?;
        let org_id = folder.strip_suffix('/').and_then(from_segment).map(OrgId::stored);
        let looked = org_id.map_or(Ok(Looked::default()), |org_id| look_at(context, &org_id, deadline))?;
        found |= looked.is_due;
        if looked.found && looked.stopped {
            state.after = before;
            store(context, &state)?;
            return Ok(found);
        }
    }
    if folders.len() < HELD_ORGANIZATIONS_PER_ROLLBACK_MAX as usize {
        let next = state.began + HELD_LOOK_PERIOD.as_secs();
        store(context, &State { after: String::new(), began: state.began, next })?;
    }
    Ok(found)
}

/// What came of a look at one organization.
#[derive(Clone, Copy, Debug, Default)]
struct Looked {
    /// Was a token found dead that was not known to be, or was a rotation brought forward?
    found: bool,
    /// Has the schedule queue something to do now?
    is_due: bool,
    /// Did a limit keep it from the rest?
    stopped: bool,
}

/// Looks at one organization; what fails is logged.
fn look_at(context: &Context<'_>, org_id: &OrgId, deadline: Duration) -> Result<Looked, Error> {
    match try_look_at(context, org_id, deadline) {
        Ok(looked) => Ok(looked),
        Err(error @ Error::Plain(_)) => Err(error),
        Err(error) => {
            let error = error.to_string();
            events::STATIC_TOKENS_NOT_COMPARED.log(context, &[("org", org_id.as_str()), ("error", &error)]);
            Ok(Looked::default())
        }
    }
}

fn try_look_at(context: &Context<'_>, org_id: &OrgId, deadline: Duration) -> Result<Looked, Error> {
    let mut looked = Looked::default();
    let Some(config) = config::load_readable(context, org_id)? else { return Ok(looked) };
    let names = static_role::names(context.storage(), org_id)?;
    let mut held = HeldTokens::load(context, org_id, &names)?;
    let client = Patience::Rollback.client(context, &config);
    if held.count() == 0 || !compare(&client, &mut held)? {
        return Ok(looked);
    }
    // First, for these cost no call to Astra: proofs that come to nothing keep none of them waiting.
    // One at the least, so that a look goes on even where the list alone takes until the deadline.
    for early in held.early_ends() {
        bring_forward(context, org_id, early, &mut looked)?;
        if context.now() > deadline {
            looked.stopped = true;
            return Ok(looked);
        }
    }
    let mut proofs = 0;
    for missing in held.missing() {
        looked.stopped = proofs >= HELD_PROOFS_MAX || context.now() > deadline;
        if looked.stopped {
            break;
        }
        if !missing.is_known {
            proofs += 1;
            let timeout = config.request_timeout().min(ROLLBACK_REQUEST_TIMEOUT);
            let verdict = judge(context, &config, missing, timeout)?;
            log_dead(context, org_id, missing, &verdict);
            if verdict != Verdict::Dead {
                continue;
            }
            looked.found = true;
        }
        match static_role::replace_soon(context, org_id, missing.name, missing.client_id) {
            Ok(soon) => looked.is_due |= soon.is_some_and(|soon| soon.due.at <= context.now().as_secs()),
            // Another request rotates it just now, perhaps; the others have their turn.
            Err(failure) => log_failure(context, org_id, missing, failure)?,
        }
    }
    Ok(looked)
}

/// Brings a rotation forward; what fails is logged, and the next look tries again. Fails only where storage does.
fn bring_forward(context: &Context<'_>, org_id: &OrgId, early: EarlyEnd<'_>, looked: &mut Looked) -> Result<(), Error> {
    let token = [("org", org_id.as_str()), ("static_role", early.name.as_str()), ("client_id", early.client_id)];
    match static_role::rotate_before(context, org_id, early.name, early.client_id, early.ends) {
        Ok(None) => {}
        Ok(Some(due)) => {
            looked.found = true;
            looked.is_due |= due.at <= context.now().as_secs();
            let ends = time_text::of_seconds(early.ends).unwrap_or_default();
            events::ROTATION_BROUGHT_FORWARD.log(context, &[token.as_slice(), &[("ends", &ends)]].concat());
        }
        Err(error @ Error::Plain(_)) => return Err(error),
        Err(error) => {
            let error = error.to_string();
            events::ROTATION_NOT_BROUGHT_FORWARD.log(context, &[token.as_slice(), &[("error", &error)]].concat());
        }
    }
    Ok(())
}

/// Logs why a dead token was not put to be replaced; fails only where storage does.
fn log_failure(context: &Context<'_>, org_id: &OrgId, missing: Missing<'_>, error: Error) -> Result<(), Error> {
    if matches!(error, Error::Plain(_)) {
        return Err(error);
    }
    let error = error.to_string();
    let fields = [("org", org_id.as_str()), ("static_role", missing.name.as_str()), ("error", &error)];
    events::STATIC_TOKEN_NOT_REPLACED.log(context, &fields);
    Ok(())
}

/// Compares with the list of the client's organization. False = the list is not whole, or another organization's.
fn compare(client: &AstraClient<'_>, held: &mut HeldTokens) -> Result<bool, Error> {
    let told = |error| client.failure(&error);
    if !client.is_of_own_organization().map_err(told)? {
        return Ok(false);
    }
    let mut is_whole = false;
    let scanned = client.scan_tokens(&mut |token| {
        is_whole |= client.asks_with(&token.client_id);
        held.see(&token.client_id);
        held.see_end(&token.client_id, token.expiry);
        ControlFlow::Continue(())
    });
    scanned.map_err(told)?;
    Ok(is_whole)
}

/// Tells of a dead token in the log.
pub(crate) fn log_dead(context: &Context<'_>, org_id: &OrgId, missing: Missing<'_>, verdict: &Verdict) {
    if *verdict != Verdict::Dead {
        return;
    }
    let fields = [
        ("org", org_id.as_str()),
        ("static_role", missing.name.as_str()),
        ("client_id", missing.client_id),
        ("remedy", "rollback replaces it"),
    ];
    events::STATIC_TOKEN_DEAD.log(context, &fields);
}

/// A state that cannot be read is none, and the look is planned anew.
fn load(context: &Context<'_>) -> Result<State, Error> {
    let entry = context.storage().get(HELD_LOOK_STATE_KEY)?;
    Ok(entry.and_then(|entry| entry.parsed()).unwrap_or_default())
}

fn store(context: &Context<'_>, state: &State) -> Result<(), Error> {
    Ok(context.storage().put(StorageEntry::json(HELD_LOOK_STATE_KEY, state)?)?)
}
