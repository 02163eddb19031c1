//! Rotating an organization's admin token: make a new one with the roles that
//! Astra shows for the current one, prove it, store it, and let the old one
//! live on for a grace period, after which rollback deletes it.
//!
//! A working admin token is in the config at every moment, and each token that
//! is not to stay is named by a write-ahead entry or a record with an end.

mod hand_back;
mod scheduled;
mod switch;

use std::collections::BTreeMap;

use secrets_framework::host::LockGuard;
use secrets_framework::{Context, Error};

pub(crate) use hand_back::{HandBack, hand_back};
pub(crate) use scheduled::run_due;

use crate::client::{AstraClient, ClientError};
use crate::config::{self, OrgConfig};
use crate::counters::{TOKENS_MADE, count_rotation};
use crate::ending::{Patience, end_at_once};
use crate::events;
use crate::lock::Lock;
use crate::mint::{Facts, MintRequest, describe, make_proven};
use crate::names::{ClientId, OrgId};
use crate::read_only;
use crate::record::{self, RecordId, TokenKind};
use crate::storage::TokenRef;
use crate::who::{self, Who};

use switch::{Successor, switch};

/// What a rotation did.
#[derive(Debug)]
pub(crate) struct Rotated {
    /// The new admin token.
    pub(crate) client_id: ClientId,
    /// The one that it replaces.
    pub(crate) previous_client_id: ClientId,
    /// That one.
    previous: TokenRef,
    /// When that one ends, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) previous_ends: u64,
    /// What the caller is to be told.
    pub(crate) warnings: Vec<String>,
}

/// Rotates an organization's admin token now. None = there is no such organization.
pub(crate) fn rotate(context: &Context<'_>, org_id: &OrgId) -> Result<Option<Rotated>, Error> {
    read_only::check(context, || format!("the admin token of organization `{org_id}` was not rotated"))?;
    let _turn = lock(context, org_id)?;
    // Written as it is, and first: a node that cannot write says so before Astra is asked.
    let Some(config) = config::change(context, org_id, |_| true)? else { return Ok(None) };
    replace_token(context, &config, Patience::Caller).map(Some)
}

/// The lock under which an organization's admin token is rotated: taken before
/// any other, for Astra is asked under it.
fn lock<'a>(context: &Context<'a>, org_id: &OrgId) -> Result<Box<dyn LockGuard + 'a>, Error> {
    Lock::AdminRotation(org_id).acquire(context)
}

/// Makes a new token, proves it, and puts it into the place of the one in
/// `config`. The caller holds the organization's lock.
fn replace_token(context: &Context<'_>, config: &OrgConfig, patience: Patience) -> Result<Rotated, Error> {
    let rotated = make_and_switch(context, config, patience);
    count_rotation(context, TokenKind::Admin.as_str(), &rotated);
    rotated
}

fn make_and_switch(context: &Context<'_>, config: &OrgConfig, patience: Patience) -> Result<Rotated, Error> {
    let client = patience.client(context, config);
    let role_ids = current_role_ids(&client, config)?;
    let created_by = who::creator(context);
    let wanted = MintRequest {
        config,
        role_ids: &role_ids,
        expiry: None,
        record_id: None,
        leased: None,
        description: &|mark| described(context, config, &created_by, mark),
    };
    let made = make_proven(context, &client, &wanted, |error| not_proven(&config.org_id, error))?;
    let rotated = switch(context, &client, config, &made, Successor { role_ids, created_by: created_by.clone() })?;
    log_rotation(context, &config.org_id, &rotated);
    context.count(&TOKENS_MADE, &[("kind", TokenKind::Admin.as_str())]);
    end_at_once(context, &rotated.previous, rotated.previous_ends);
    Ok(rotated)
}

/// The Astra roles of the current token: only Astra's list tells them.
fn current_role_ids(client: &AstraClient<'_>, config: &OrgConfig) -> Result<Vec<String>, Error> {
    let org_id = &config.org_id;
    let Some(client_id) = config.admin_token.client_id() else {
        return Err(Error::mistake(format!(
            "the `astra_token` in the config of organization `{org_id}` has not the form of an Astra token, so it \
             cannot be found in Astra's list and was not rotated: write another to the config"
        )));
    };
    let shown = client.find_token(|token| token.client_id == client_id).map_err(|error| client.failure(&error))?;
    let what = match shown.map(|token| token.roles.unwrap_or_default()) {
        Some(role_ids) if !role_ids.is_empty() => return Ok(role_ids),
        Some(_) => "shows its admin token",
        None => "does not show its admin token",
    };
    let without_roles = if what.starts_with("shows") { " without roles" } else { "" };
    Err(Error::coded(
        502,
        format!(
            "Astra's list of the tokens of organization `{org_id}` {what} `{client_id}`{without_roles}, so the roles of a \
             new one are not known and nothing was rotated: try again later, and if this stays, write another \
             `astra_token` to the config"
        ),
    ))
}

/// Where the record of an admin token stands, or would: under its client ID, unless
/// it was made as a token with a logical name and then put into the config.
pub(crate) fn record_id(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId) -> Result<RecordId, Error> {
    let id = RecordId::of_client(client_id);
    // What stands there is the token's record, even if it cannot be read.
    if !matches!(record::load_own(context, &id)?, Ok(None)) || !record::is_complete(context)? {
        return Ok(id);
    }
    Ok(record::find(context, org_id, client_id)?.map_or(id, |record| record.id))
}

fn described(context: &Context<'_>, config: &OrgConfig, created_by: &Who, mark: &str) -> String {
    let facts = Facts {
        request: context.request,
        created_by,
        org: config.org_id.as_str(),
        role: "",
        logical_name: "",
        metadata: &BTreeMap::new(),
    };
    describe(&[&config.description], &facts, mark)
}

fn not_proven(org_id: &OrgId, error: &ClientError) -> Error {
    Error::coded(
        502,
        format!(
            "the new admin token that Astra made for organization `{org_id}` did not work ({error}), so it was given up \
             and the old one stays: try again later"
        ),
    )
}

fn log_rotation(context: &Context<'_>, org_id: &OrgId, rotated: &Rotated) {
    let fields = [
        ("org", org_id.as_str()),
        ("client_id", &rotated.client_id),
        ("previous_client_id", &rotated.previous_client_id),
    ];
    Who::of(context.request).log(context, &events::ADMIN_TOKEN_ROTATED, &fields);
}

#[cfg(test)]
mod tests;
