//! The search for tokens that only a retired config can end. The admin token of such a config ends last, and by itself. A
//! search among many records takes several calls, each of which goes on where the one before stopped.

use std::collections::BTreeMap;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::{Deserialize, Serialize};

use crate::config::{self, Origin, Retired};
use crate::events;
use crate::limits::RETIRED_SEARCH_RECORDS_MAX;
use crate::mint::BeingMade;
use crate::names::{ClientId, OrgId};
use crate::record::{self, Record, Searched, TokenKind};
use crate::storage::key::{RETIRED_SEARCH_PREFIX, segment};
use crate::storage::{self, Write};

/// What an admin token is still needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing.
    None,
    /// It ends other tokens first.
    EndsOthers,
    /// It settles write-ahead entries first: a token may have been made for each.
    SettlesMints,
    /// The search has not come to its end.
    NotKnown,
}

/// The tokens that an admin token is to end, by where they were made.
struct Wanted {
    origins: Vec<Origin>,
    /// What cannot be read of the retired configs may be of any origin but that of the current config.
    may_be_any: bool,
    current: Option<Origin>,
}

/// How far the searches of an organization got, by the client ID of the admin token.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
struct State(BTreeMap<ClientId, Search>);

#[derive(Debug, Default, Deserialize, Serialize)]
struct Search {
    /// What is looked for. Where that changes, the search begins anew.
    wanted: String,
    /// The last name of the index that was looked at.
    after: String,
    /// Does the log say already that the admin token is kept?
    #[serde(default)]
    logged: bool,
}

/// Is it the admin token of a config that is kept only to end other tokens, and has it any to end? What counts is the
/// token, not where its record says it was made: a config that moved took it along.
pub(crate) fn need_of(context: &Context<'_>, record: &Record) -> Result<Need, Error> {
    if record.kind != TokenKind::Admin {
        return Ok(Need::None);
    }
    let Record { org_id, client_id, .. } = record;
    let wanted = Wanted::of(context, org_id, client_id)?;
    if wanted.is_empty() {
        return Ok(Need::None);
    }
    // Before the records, at each step: a token that is being made then may come to stand where the search has been.
    if BeingMade::of(context, org_id)?.may_be_at(|origin| wanted.may_be_of(origin)) {
        return Ok(Need::SettlesMints);
    }
    let mut state = load(context, org_id)?;
    let before = state.0.remove(client_id);
    let goes_on = before.as_ref().filter(|search| search.wanted == wanted.text());
    let after = goes_on.map_or("", |search| search.after.as_str());
    let is_other = |other: &Record| wanted.has(other) && other.client_id != *client_id;
    let mut left = RETIRED_SEARCH_RECORDS_MAX;
    match record::search_in_org(context, org_id, after, &mut left, is_other)? {
        // The next search begins with the one that was found.
        Searched::Found(_) => Ok(Need::EndsOthers),
        Searched::NotFound => {
            if before.is_some() {
                store(context, org_id, &state)?;
            }
            Ok(Need::None)
        }
        Searched::UpTo(after) => {
            let logged = before.is_some_and(|search| search.logged);
            state.0.insert(client_id.clone(), Search { wanted: wanted.text(), after, logged });
            store(context, org_id, &state)?;
            Ok(Need::NotKnown)
        }
    }
}

/// Logs why an admin token is kept whose end has come, once: it is tried again every few minutes.
pub(crate) fn log_kept(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId, need: Need) -> Result<(), Error> {
    let reason = match need {
        Need::EndsOthers => "tokens are alive that it is to end",
        Need::SettlesMints => "write-ahead entries are open that it is to settle",
        // The search tells in one of the next calls.
        Need::None | Need::NotKnown => return Ok(()),
    };
    let mut state = load(context, org_id)?;
    let search = state.0.entry(client_id.clone()).or_default();
    if std::mem::replace(&mut search.logged, true) {
        return Ok(());
    }
    store(context, org_id, &state)?;
    let fields = [("org", org_id.as_str()), ("client_id", client_id), ("reason", reason)];
    events::RETIRED_ADMIN_TOKEN_KEPT.log(context, &fields);
    Ok(())
}

/// The change with which all searches of an organization begin anew. It belongs to those by which a config is retired:
/// tokens of its origin may stand where a search has been.
pub(crate) fn write_of_new_search(org_id: &OrgId) -> Write {
    Write::Delete(key(org_id))
}

/// Forgets how far the searches of an organization got that has no retired config.
pub(crate) fn forget_search(context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
    Ok(context.storage().delete(&key(org_id))?)
}

impl Wanted {
    fn of(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId) -> Result<Self, Error> {
        let current = config::load(context, org_id)?.map(|current| current.url.origin().clone());
        let retired = Retired::load(context, org_id)?;
        let may_be_any = retired.damage().is_some();
        let origins = retired
            .into_configs()
            .filter(|kept| kept.admin_token.is(client_id))
            .map(|kept| kept.url.origin().clone())
            .filter(|origin| current.as_ref() != Some(origin))
            .collect();
        Ok(Self { origins, may_be_any, current })
    }

    fn is_empty(&self) -> bool {
        self.origins.is_empty() && !self.may_be_any
    }

    /// Where the origin of a token is not known, each may be the one.
    fn has(&self, record: &Record) -> bool {
        record.origin.as_ref().is_none_or(|origin| self.may_be_of(origin))
    }

    fn may_be_of(&self, origin: &Origin) -> bool {
        self.origins.contains(origin) || (self.may_be_any && self.current.as_ref() != Some(origin))
    }

    fn text(&self) -> String {
        let any = self.may_be_any.then(|| format!("not {}", self.current.as_ref().map_or("", Origin::as_str)));
        let origins = self.origins.iter().map(|origin| origin.as_str().to_owned());
        origins.chain(any).collect::<Vec<_>>().join(" ")
    }
}

/// What cannot be read lets each search begin anew.
fn load(context: &Context<'_>, org_id: &OrgId) -> Result<State, Error> {
    let entry = storage::entry(context.storage(), &key(org_id))?;
    Ok(entry.and_then(|entry| entry.parsed()).unwrap_or_default())
}

fn store(context: &Context<'_>, org_id: &OrgId, state: &State) -> Result<(), Error> {
    if state.0.is_empty() {
        return forget_search(context, org_id);
    }
    Ok(context.storage().put(StorageEntry::json(key(org_id), state)?)?)
}

fn key(org_id: &OrgId) -> String {
    format!("{RETIRED_SEARCH_PREFIX}{}", segment(org_id.as_str()))
}
