//! Making a token: note the intent, ask Astra, check, store, answer.
//!
//! Nothing is made before a write to storage has succeeded, and each failure
//! after Astra was asked either removes the token or leaves the write-ahead
//! entry by which rollback will. An answer goes out only when the record is
//! stored and that entry is gone.

mod description;
mod intent;
mod make;
mod metadata;
mod prove;
mod room;
mod settle;
mod start;
mod terms;

use std::collections::BTreeMap;
use std::time::Duration;

use secrets_framework::{Context, Error, Response, Sensitive};

pub(crate) use description::{Facts, check_template, describe};
#[cfg(test)]
pub(crate) use intent::group_of;
pub(crate) use intent::{
    BeingMade, INTENT_KIND, IntentData, OpenMarks, any_made_or_being_made, is_open, lock, open_marks, open_times,
    unreadable_entries,
};
pub(crate) use make::{MintError, MintRequest, MintedToken, make, try_make};
pub(crate) use prove::{Owner, make_proven, owner_of};
pub(crate) use settle::{SwitchError, undo};
pub(crate) use start::MintStart;

use crate::astra_token;
use crate::client::{AstraClient, ClientError};
use crate::config::OrgConfig;
use crate::counters::TOKENS_MADE;
use crate::events;
use crate::names::TokenLogicalName;
use crate::record::{self, Inserted, Record, RecordId, TokenKind, TokenSecrets};
use crate::role::{Role, TokenExpiry};
use crate::time_text;
use crate::who::{self, Who};

use terms::Terms;

/// What to make.
pub(crate) struct Order<'a> {
    /// The organization.
    pub(crate) config: &'a OrgConfig,
    /// The role.
    pub(crate) role: &'a Role,
    /// How it is asked for.
    pub(crate) kind: TokenKind,
    /// Its logical name, if it has one.
    pub(crate) logical_name: Option<&'a TokenLogicalName>,
    /// What the client notes about it.
    pub(crate) metadata: BTreeMap<String, String>,
    /// The time to live that the client asks for.
    pub(crate) ttl: Option<Duration>,
}

impl Order<'_> {
    /// Where the record will stand, if that is known before the token.
    fn named_record_id(&self) -> Option<RecordId> {
        let name = self.logical_name?;
        Some(RecordId::named(&self.config.org_id, &self.role.name, name.as_str()))
    }
}

/// Makes a token and its lease. `start` is the start under which the order's config was read, if there is one.
pub(crate) fn mint<'a>(
    context: &Context<'a>,
    order: &Order<'_>,
    start: Option<MintStart<'a>>,
) -> Result<Response, Error> {
    metadata::check(&order.metadata)?;
    let role_ids = allowed_role_ids(order)?;
    let mut terms = Terms::of(context, order.role, order.ttl)?;
    let client = AstraClient::new(context.host, order.config);
    let expiry = match order.role.token_expiry {
        TokenExpiry::Auto => time_text::format(terms.astra_expiry(context.now())),
        TokenExpiry::Off => None,
    };
    // Asked before Astra makes a token, which then waits for nothing but storage.
    let created_by = who::creator(context);
    let wanted = MintRequest {
        config: order.config,
        role_ids: &role_ids,
        expiry,
        record_id: order.named_record_id(),
        leased: Some(order),
        description: &|mark| described(context, order, &created_by, mark),
    };
    let made = make(context, &client, &wanted, start)?;
    let now = context.now();
    if let Some(end) = made.token.expires_at.as_deref().and_then(time_text::parse)
        && !terms.end_by(end, now)
    {
        undo(context, &client, &made, None);
        let reason = "the token that it made has expired already; compare the clocks";
        return Err(client.failure(&ClientError::Nonsense { reason }));
    }
    let record = Record { created_by: created_by.clone(), ..new_record(order, role_ids, &made, &terms, now) };
    match record::insert(context, &record, made.wal_id()) {
        Ok(Inserted::Yes) => {}
        Ok(Inserted::Occupied) => {
            undo(context, &client, &made, None);
            return Err(already_exists(&record));
        }
        Err(error) => {
            undo(context, &client, &made, Some(&record));
            return Err(error);
        }
    }
    log_mint(context, &record);
    let mut warnings = made.warnings;
    warnings.append(&mut terms.warnings);
    // Not every version of Astra's answer tells the end that it was asked for.
    let lease = terms.lease(made.token.expires_at.or(made.expiry_asked));
    let secrets = TokenSecrets { secret: made.token.secret, token: made.token.token };
    astra_token::leased_answer(&record, &secrets, &lease, warnings)
}

/// The same three again: 409.
pub(crate) fn already_exists(record: &Record) -> Error {
    Error::conflict(format!(
        "a token with `logical_name` `{}` exists already for role `{}` of organization `{}`: read it, or revoke its lease first",
        record.logical_name_text(),
        record.role_name,
        record.org_id
    ))
}

/// The role's Astra roles, if the organization still allows them.
fn allowed_role_ids(order: &Order<'_>) -> Result<Vec<String>, Error> {
    let (role, org_id) = (order.role, &order.config.org_id);
    if role.role_ids.is_empty() {
        return Err(Error::mistake(format!(
            "role `{}` of organization `{org_id}` has no `role_id`: write one",
            role.name
        )));
    }
    if let Some(forbidden) = order.config.forbidden_role_id(&role.role_ids) {
        return Err(Error::mistake(format!(
            "role `{}` uses the Astra role `{forbidden}`, which is not among the `allowed_role_ids` of organization \
             `{org_id}`: choose another, or have it added to the config",
            role.name
        )));
    }
    Ok(role.role_ids.iter().map(|id| id.as_str().to_owned()).collect())
}

fn described(context: &Context<'_>, order: &Order<'_>, created_by: &Who, mark: &str) -> String {
    let facts = Facts {
        request: context.request,
        created_by,
        org: order.config.org_id.as_str(),
        role: order.role.name.as_str(),
        logical_name: order.logical_name.map_or("", TokenLogicalName::as_str),
        metadata: &order.metadata,
    };
    describe(&[&order.role.description, &order.config.description], &facts, mark)
}

fn new_record(
    order: &Order<'_>,
    role_ids: Vec<String>,
    made: &MintedToken<'_>,
    terms: &Terms,
    now: Duration,
) -> Record {
    let token = &made.token;
    let id = order.named_record_id().unwrap_or_else(|| RecordId::of_client(&token.client_id));
    // Only what `org/token` reads again is kept.
    let secrets = (order.kind == TokenKind::Standard)
        .then(|| TokenSecrets { secret: copy(&token.secret), token: copy(&token.token) });
    Record {
        id,
        role_name: order.role.name.clone(),
        role_ids,
        logical_name: order.logical_name.cloned(),
        metadata: order.metadata.clone(),
        generated_on: token.generated_on.clone(),
        expires_at: token.expires_at.clone(),
        secrets,
        origin: Some(order.config.url.origin().clone()),
        mark: made.mark().to_owned(),
        kind: order.kind,
        made: Some(now.as_secs()),
        lease_end: Some((now + terms.ttl).as_secs()),
        ..Record::new(order.config.org_id.clone(), &token.client_id)
    }
}

fn copy(secret: &Sensitive) -> Sensitive {
    Sensitive::new(secret.expose().clone())
}

fn log_mint(context: &Context<'_>, record: &Record) {
    let fields = [
        ("org", record.org_id.as_str()),
        ("role", record.role_name.as_str()),
        ("client_id", &record.client_id),
        ("kind", record.kind.as_str()),
    ];
    record.created_by.log(context, &events::TOKEN_MADE, &fields);
    context.count(&TOKENS_MADE, &[("kind", record.kind.as_str())]);
}

#[cfg(test)]
mod tests;
