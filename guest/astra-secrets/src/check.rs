//! Is an organization healthy? What can go wrong with its config, its admin
//! token, its roles and its scheduled work, each as yes, no or unknown and a
//! sentence. Whatever Astra does is an answer here, never a failure.

mod deep;
mod entries;
mod roles;
mod served;
mod standing;
mod upstream;

use std::collections::BTreeMap;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error};
use serde::Serialize;

use crate::astra_role::{self, Room};
use crate::client::AstraClient;
use crate::config::OrgConfig;
use crate::limits::{CHECK_NAMES_SHOWN_MAX, CHECK_REQUEST_TIMEOUT};
use crate::mint;
use crate::read_only;

use roles::StoredRoles;
use standing::StaticRoles;
use upstream::Answers;

/// Yes, no or unknown, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    ok: Verdict,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Yes,
    No,
    Unknown,
}

impl Item {
    fn yes(message: impl Into<String>) -> Self {
        Self { ok: Verdict::Yes, message: sentence(message.into()) }
    }

    fn no(message: impl Into<String>) -> Self {
        Self { ok: Verdict::No, message: sentence(message.into()) }
    }

    fn unknown(message: impl Into<String>) -> Self {
        Self { ok: Verdict::Unknown, message: sentence(message.into()) }
    }
}

/// Errors are fragments; here each stands for itself.
fn sentence(mut text: String) -> String {
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

/// What came of a check.
#[derive(Debug, Serialize)]
pub(crate) struct Checkup {
    healthy: bool,
    deep: bool,
    astra_read_only: bool,
    #[serde(flatten)]
    items: BTreeMap<&'static str, Item>,
}

/// The same with the items as a list, each by itself, for monitoring.
#[derive(Debug, Serialize)]
pub(crate) struct FlatCheckup {
    healthy: bool,
    deep: bool,
    astra_read_only: bool,
    items: Vec<FlatItem>,
}

#[derive(Debug, Serialize)]
struct FlatItem {
    name: &'static str,
    #[serde(flatten)]
    item: Item,
}

impl Checkup {
    /// Its items as a list, by name.
    pub(crate) fn flat(self) -> FlatCheckup {
        let Self { healthy, deep, astra_read_only, items } = self;
        let items = items.into_iter().map(|(name, item)| FlatItem { name, item }).collect();
        FlatCheckup { healthy, deep, astra_read_only, items }
    }
}

/// Checks an organization. `deep` really makes a token, and deletes it.
pub(crate) fn check(context: &Context<'_>, config: &OrgConfig, deep: bool) -> Result<Checkup, Error> {
    if deep {
        read_only::check(context, || {
            format!("no token was made to check organization `{}`; leave `deep` out to check all else", config.org_id)
        })?;
        prove_writable(context)?;
    }
    let astra_read_only = read_only::is_read_only(context);
    let timeout = config.request_timeout().min(CHECK_REQUEST_TIMEOUT);
    let client = AstraClient::with_bounds(context.host, config, timeout, 0);
    // Read before the list: a token that is made in between does not count as missing.
    let statics = StaticRoles::load(context, config)?;
    let mut held = statics.held_tokens(context, config)?;
    let answers = Answers::ask(&client, &mut held);
    let served_tokens = served::served_tokens(context, config, &held, &answers)?;
    let tried = if deep { Some(deep::make_and_delete(context, &client, config, &answers)?) } else { None };
    let made = tried.as_ref().and_then(|tried| tried.skew);
    let open = standing::open_entries(context, config)?;
    let roles = StoredRoles::load(context, config)?;
    let unreadable = mint::unreadable_entries(context)?;
    if let Some(listed) = answers.roles() {
        astra_role::note(context, &config.org_id, listed, &Room::new());
    }
    let mut items = BTreeMap::from([
        ("token_valid", answers.token_valid()),
        ("organization_matches", answers.organization_matches()),
        ("may_list_roles", answers.may_list_roles()),
        ("may_list_tokens", answers.may_list_tokens()),
        ("token_expiry", answers.token_expiry(context)),
        ("clock_skew", answers.clock_skew(&client, made, deep)),
        ("roles_exist", roles.exist(config, answers.role_ids().as_ref(), &statics)),
        ("role_lifetimes", roles.lifetimes(context)),
        ("pending_wal", standing::pending_wal(context, open.as_ref())),
        ("entries", entries::entries(context, &unreadable)?),
        ("rotation", standing::rotation(context, config)),
        ("static_roles", statics.rotate_in_time(context)),
        ("served_tokens", served_tokens),
        ("tidy", standing::tidy(context, config)?),
    ]);
    // Only a try tells whether the token may manage tokens. A plain check has no such item: an item that is always `unknown`
    // would keep a monitor at its warning.
    items.extend(tried.map(|tried| ("may_manage_tokens", tried.item)));
    let is_valid = items.get("token_valid").is_some_and(|item| item.ok == Verdict::Yes);
    let healthy = is_valid && items.values().all(|item| item.ok != Verdict::No);
    Ok(Checkup { healthy, deep, astra_read_only, items })
}

/// A node that cannot write says so before Astra is asked, and the server
/// forwards the request.
fn prove_writable(context: &Context<'_>) -> Result<(), Error> {
    let storage = context.storage();
    storage.put(StorageEntry { key: PROBE_KEY.to_owned(), value: b"{}".to_vec(), seal_wrap: false })?;
    Ok(storage.delete(PROBE_KEY)?)
}

/// What is damaged, or too much to be looked at, is an answer, too: then there is none.
fn unless_damaged<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::Internal(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// `what (a, b and 3 more)`; none for no names.
fn named(what: &str, names: Vec<String>) -> Option<String> {
    let shown = names.iter().take(CHECK_NAMES_SHOWN_MAX).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(CHECK_NAMES_SHOWN_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    (!names.is_empty()).then(|| format!("{what} ({shown}{more})"))
}

const PROBE_KEY: &str = "check";

#[cfg(test)]
mod tests;
