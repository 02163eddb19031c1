//! A new token for a static role: make it, prove it, and switch to it; the one
//! that it replaces lives on for the grace period. Whatever fails before the
//! switch leaves the role as it was and the new token undone.

use secrets_framework::{Context, Error, Sensitive};

use super::switch::switch;
use crate::client::ClientError;
use crate::config::{self, OrgConfig, unknown_org};
use crate::counters::{TOKENS_MADE, count_rotation};
use crate::ending::{Patience, end_at_once};
use crate::events;
use crate::limits::REPLACED_TOKENS_MAX;
use crate::mint::{Facts, MintRequest, MintedToken, describe, make_proven};
use crate::read_only;
use crate::record::{self, Record, RecordId, TokenKind, TokenSecrets};
use crate::static_role::{StaticRole, load_token};
use crate::storage::{TokenRef, write_batch};
use crate::time_text;
use crate::who::{self, Who};

/// Gives the role a new token, and stores both. The caller holds the role's
/// lock; a role that is not stored yet has no token.
pub(crate) fn rotate(context: &Context<'_>, role: &mut StaticRole, patience: Patience) -> Result<(), Error> {
    // A role's first token is no rotation.
    let is_rotation = role.client_id.is_some();
    let rotated = make_and_switch(context, role, patience);
    if is_rotation {
        count_rotation(context, TokenKind::Static.as_str(), &rotated);
    }
    rotated
}

fn make_and_switch(context: &Context<'_>, role: &mut StaticRole, patience: Patience) -> Result<(), Error> {
    let config = config::load(context, &role.org_id)?.ok_or_else(|| unknown_org("org", role.org_id.as_str()))?;
    let role_ids = allowed_role_ids(&config, role)?;
    read_only::check(context, || {
        format!("no token was made for static role `{}` of organization `{}`", role.name, role.org_id)
    })?;
    end_in_time(context, role)?;
    check_room(context, role)?;
    let created_by = created_by(context, role);
    let wanted = MintRequest {
        config: &config,
        role_ids: &role_ids,
        expiry: None,
        record_id: None,
        leased: None,
        description: &|mark| described(context, &config, role, &created_by, mark),
    };
    let client = patience.client(context, &config);
    let made = make_proven(context, &client, &wanted, |error| not_proven(role, error))?;
    let record = new_record(context, role, &config, role_ids, &made, created_by.clone());
    switch(context, &client, role, &made, &record)?;
    log_rotation(context, role, &record);
    context.count(&TOKENS_MADE, &[("kind", record.kind.as_str())]);
    if let Some(old) = role.replaced.last() {
        end_at_once(context, &TokenRef::of_client(&role.org_id, &old.client_id), old.ends);
    }
    Ok(())
}

/// The Astra roles of the role's next token, if the config allows them.
pub(super) fn allowed_role_ids(config: &OrgConfig, role: &StaticRole) -> Result<Vec<String>, Error> {
    if let Some(forbidden) = config.forbidden_role_id(&role.role_ids) {
        return Err(Error::mistake(format!(
            "static role `{}` uses the Astra role `{forbidden}`, which is not among the `allowed_role_ids` of \
             organization `{}`: choose another, or have it added to the config",
            role.name, role.org_id
        )));
    }
    Ok(role.role_ids.iter().map(|id| id.as_str().to_owned()).collect())
}

/// Ends that a wrong clock set would be far away, once it has been set back:
/// what was replaced by that clock ends by the grace period from now.
fn end_in_time(context: &Context<'_>, role: &mut StaticRole) -> Result<(), Error> {
    let now = context.now().as_secs();
    if role.last_rotated <= now {
        return Ok(());
    }
    let latest = now + role.grace_period.as_secs();
    for token in role.replaced.iter_mut().filter(|token| token.ends > latest) {
        let id = RecordId::of_client(&token.client_id);
        let _guard = record::lock(context, &id)?;
        if let Some(mut record) = load_token(context, &id)?.filter(|record| record.client_id == token.client_id) {
            write_batch(context, &record::writes_of_end(&mut record, latest)?)?;
        }
        token.ends = latest;
    }
    Ok(())
}

/// Forgets replaced tokens whose end has come: rollback ends them by their
/// records. Each of the others is a token alive in Astra, so there is a limit.
fn check_room(context: &Context<'_>, role: &mut StaticRole) -> Result<(), Error> {
    let now = context.now().as_secs();
    role.replaced.retain(|token| token.ends > now);
    if role.token_dead || role.replaced.len() < REPLACED_TOKENS_MAX {
        return Ok(());
    }
    let next_end = role.replaced.iter().map(|token| token.ends).min().unwrap_or_default();
    let next_end = time_text::format(std::time::Duration::from_secs(next_end)).unwrap_or_default();
    Err(Error::mistake(format!(
        "static role `{}` of organization `{}` has {REPLACED_TOKENS_MAX} replaced tokens in their grace period, its \
         limit: the next of them ends at {next_end}",
        role.name, role.org_id
    )))
}

fn not_proven(role: &StaticRole, error: &ClientError) -> Error {
    let sentence = format!(
        "the new token that Astra made for static role `{}` of organization `{}` did not work ({error}), so it was \
         given up, and nothing else was changed: try again later",
        role.name, role.org_id
    );
    Error::coded(502, sentence)
}

/// A rotation by the schedule comes without identity: whoever created the role wanted it.
fn created_by(context: &Context<'_>, role: &StaticRole) -> Who {
    let asking = who::creator(context);
    let texts = [&asking.display_name, &asking.entity_id, &asking.accessor];
    if texts.iter().any(|text| !text.is_empty()) {
        return asking;
    }
    Who { request_id: asking.request_id, remote_address: asking.remote_address, ..role.created_by.clone() }
}

fn described(context: &Context<'_>, config: &OrgConfig, role: &StaticRole, created_by: &Who, mark: &str) -> String {
    let facts = Facts {
        request: context.request,
        created_by,
        org: role.org_id.as_str(),
        role: role.name.as_str(),
        logical_name: "",
        metadata: &std::collections::BTreeMap::new(),
    };
    describe(&[&role.description, &config.description], &facts, mark)
}

fn new_record(
    context: &Context<'_>,
    role: &StaticRole,
    config: &OrgConfig,
    role_ids: Vec<String>,
    made: &MintedToken<'_>,
    created_by: Who,
) -> Record {
    let token = &made.token;
    let copy = |secret: &Sensitive| Sensitive::new(secret.expose().clone());
    // The token is in use, so it has no end.
    Record {
        role_name: role.name.clone(),
        role_ids,
        generated_on: token.generated_on.clone(),
        expires_at: token.expires_at.clone(),
        secrets: Some(TokenSecrets { secret: copy(&token.secret), token: copy(&token.token) }),
        origin: Some(config.url.origin().clone()),
        mark: made.mark().to_owned(),
        kind: TokenKind::Static,
        created_by,
        made: Some(context.now().as_secs()),
        ..Record::new(role.org_id.clone(), &token.client_id)
    }
}

fn log_rotation(context: &Context<'_>, role: &StaticRole, record: &Record) {
    let fields = [
        ("org", record.org_id.as_str()),
        ("static_role", record.role_name.as_str()),
        ("client_id", &record.client_id),
        ("replaced", role.replaced.last().map_or("", |token| &token.client_id)),
    ];
    record.created_by.log(context, &events::STATIC_TOKEN_MADE, &fields);
}
