//! Ending a token: in Astra first, then its record. One way for revocation,
//! deletion, rollback and whatever else ends tokens.

mod due;
mod elsewhere;
mod left_origins;
mod listed;
mod presence;

use secrets_framework::Error;
use std::time::Duration;

use secrets_framework::Context;
use secrets_framework::host::StorageEntry;

use crate::admin_refusal;
use crate::client::{AstraClient, ClientError, is_unknown_token};
use crate::config::{self, OrgConfig, Origin, Retired};
use crate::events;
use crate::history::{End, Whereabouts};
use crate::in_use;
use crate::limits::{ENDED_RETRY_PAUSE, ROLLBACK_REQUEST_TIMEOUT, ROLLBACK_UPSTREAM_BUDGET};
use crate::mint;
use crate::names::{ClientId, OrgId};
use crate::read_only;
use crate::record::{self, Record, TokenKind};
use crate::storage;
use crate::tainted;

pub(crate) use due::{count_left, end_at_once, run_due};
pub(crate) use elsewhere::remove_absent;
pub(crate) use left_origins::drop_left_origins;

use elsewhere::{Absent, end_elsewhere, may_be_elsewhere};
use listed::Lookup;
use presence::is_gone;

/// The token to end.
pub(crate) struct Target<'a> {
    /// Its organization.
    pub(crate) org_id: &'a OrgId,
    /// Its ID in Astra.
    pub(crate) client_id: &'a ClientId,
    /// Where it was made, where that is known.
    pub(crate) origin: Option<&'a Origin>,
    /// Its record, if there is one.
    pub(crate) record: Option<&'a Record>,
    /// When the server issued its lease, where a lease is revoked: right after the token was made.
    pub(crate) leased: Option<Duration>,
    /// What it ends for, as its history will say.
    pub(crate) how: End,
    /// How long the calls to Astra may take.
    pub(crate) patience: Patience,
}

impl<'a> Target<'a> {
    /// The token of a record.
    pub(crate) fn of(record: &'a Record, how: End, patience: Patience) -> Self {
        let Record { org_id, client_id, origin, .. } = record;
        Self { org_id, client_id, origin: origin.as_ref(), record: Some(record), leased: None, how, patience }
    }

    /// May it be in another organization? Each lease of ours says where its token was made.
    fn may_be_elsewhere(&self) -> bool {
        self.record.map_or(self.origin.is_none(), may_be_elsewhere)
    }

    /// When the token was made, as far as its record or its lease tells.
    fn made(&self) -> Option<Duration> {
        self.record.and_then(Record::made_at).or(self.leased)
    }
}

/// How long Astra is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As the organization's config says: somebody waits for this one token.
    Caller,
    /// A short bound and no repetition: many tokens wait, and the next call comes soon.
    Rollback,
    /// The same, and one request only: somebody waits, but not for this.
    Once,
}

impl Patience {
    /// A client with this patience.
    pub(crate) fn client<'a>(self, context: &Context<'a>, config: &'a OrgConfig) -> AstraClient<'a> {
        match self {
            Self::Caller => AstraClient::new(context.host, config),
            Self::Rollback | Self::Once => {
                let timeout = config.request_timeout().min(ROLLBACK_REQUEST_TIMEOUT);
                let client =
                    AstraClient::with_bounds(context.host, config, timeout, 0).within(ROLLBACK_UPSTREAM_BUDGET);
                client.when_refused(admin_refusal::warn)
            }
        }
    }
}

/// Ends a token, under its lock. It is over when Astra says so, or when the list of the
/// token's own origin and organization no longer shows it; else this fails and
/// is to be tried again.
pub(crate) fn end_token(context: &Context<'_>, target: &Target<'_>) -> Result<(), Error> {
    if target.client_id.is_empty() {
        // It stands for no token: without an ID, Astra would be asked to delete something else.
        return target.record.map_or(Ok(()), |record| record::remove(context, record, target.how));
    }
    end_token_with(context, target, &config_for_ending(context, target.org_id, target.origin)?)
}

/// As [`end_token`], for those who have a config for it already.
pub(crate) fn end_token_with(context: &Context<'_>, target: &Target<'_>, config: &OrgConfig) -> Result<(), Error> {
    // A list that no longer shows the token could end a lease all the same, which the live server may still hold.
    read_only::check(context, || {
        format!("the token `{}` of organization `{}` was not revoked", target.client_id, target.org_id)
    })?;
    let Err(error) = end_upstream(context, target, config) else { return Ok(()) };
    if target.patience == Patience::Caller
        && let Err(not_left) = go_on_later(context, target)
    {
        // Plain, so that the server still finds its own read-only text in it.
        return Err(Error::Plain(format!("{not_left}; so rollback does not go on with what failed before: {error}")));
    }
    Err(error)
}

/// The server gives up on a revocation after some attempts, and an operator may not ask again: the record's end has
/// rollback go on.
fn go_on_later(context: &Context<'_>, target: &Target<'_>) -> Result<(), Error> {
    let Some(record) = target.record else { return Ok(()) };
    let Some(mut record) = record::load(context, &record.id)? else { return Ok(()) };
    record::end_later(context, &mut record, (context.now() + ENDED_RETRY_PAUSE).as_secs())
}

fn end_upstream(context: &Context<'_>, target: &Target<'_>, config: &OrgConfig) -> Result<(), Error> {
    let began = context.now();
    let client = target.patience.client(context, config);
    let revoked = match target.patience {
        Patience::Once => client.delete_token(target.client_id).map(|()| Revoked::Deleted),
        Patience::Caller | Patience::Rollback => revoke(context, &client, target),
    };
    let whereabouts = match revoked.map_err(|error| client.failure(&error))? {
        Revoked::Absent if target.may_be_elsewhere() => {
            let Target { org_id, client_id, record, patience, .. } = *target;
            let absent = Absent { org_id, client_id, record, asked: config, patience, began };
            end_elsewhere(context, &absent)?
        }
        Revoked::Absent | Revoked::Deleted => Whereabouts::default(),
    };
    match target.record {
        Some(record) => record::remove_from(context, record, target.how, whereabouts)?,
        // Only the history says where it was, or was not looked for.
        None if !whereabouts.is_own() => {
            let record = Record::new(target.org_id.clone(), target.client_id);
            record::remove_from(context, &record, target.how, whereabouts)?;
        }
        None => {}
    }
    Ok(())
}

/// The config with which tokens of `org_id` from `origin` can be ended.
pub(crate) fn config_for_ending(
    context: &Context<'_>,
    org_id: &OrgId,
    origin: Option<&Origin>,
) -> Result<OrgConfig, Error> {
    let current = storage::entry(context.storage(), &config::key(org_id))?;
    config_for_ending_from(context, org_id, origin, current.as_ref())
}

/// As [`config_for_ending`], where the entry of the current config was read with others.
pub(crate) fn config_for_ending_from(
    context: &Context<'_>,
    org_id: &OrgId,
    origin: Option<&Origin>,
    current: Option<&StorageEntry>,
) -> Result<OrgConfig, Error> {
    let fits = |config: &OrgConfig| origin.is_none_or(|origin| config.url.origin() == origin);
    let current = current.map(|entry| config::of_entry(context, entry, org_id)).transpose()?;
    if let Some(config) = current.filter(fits) {
        return Ok(config);
    }
    if let Some(config) = config::load_for_revocation(context, org_id, origin)? {
        return Ok(config);
    }
    let at = origin.map(|origin| format!(" at `{origin}`")).unwrap_or_default();
    let damage = Retired::load(context, org_id)?.damage().map(|damage| format!(" ({damage})")).unwrap_or_default();
    let next_step = tainted::next_step(context.host, "write one with the `url` they were made at");
    Err(Error::mistake(format!(
        "there is no config of organization `{org_id}`{at} with which its tokens could be ended{damage}: {next_step}"
    )))
}

/// Forgets all retired configs once nothing is left that would need one. Under the lock of all configs, as a config could be
/// retired between the look and the removal. Who holds a token's lock may not take that one, so the end of a token leaves
/// this to rollback.
pub(crate) fn drop_retired_if_unused(context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
    // Most organizations have none, and a look at their records would cost more.
    if !config::has_retired(context, org_id)? {
        return Ok(());
    }
    // The config that is there holds its own admin token.
    let current = config::load(context, org_id)?;
    let current = current.as_ref().and_then(|config| config.admin_token.client_id());
    let needs_it = |record: &Record| {
        record.kind != TokenKind::Admin || record.lease_end.is_some() || current.as_ref() != Some(&record.client_id)
    };
    if mint::any_made_or_being_made(context, org_id, needs_it)? {
        return Ok(());
    }
    listed::forget(context, org_id)?;
    in_use::forget_search(context, org_id)?;
    config::drop_retired(context, org_id)
}

/// What a request was for is done, and rollback looks each minute for what is kept in vain: no failure of the request.
pub(crate) fn leave_to_rollback(context: &Context<'_>, org_id: &OrgId, dropped: Result<(), Error>) {
    if let Err(error) = dropped {
        let error = error.to_string();
        let fields = [("org", org_id.as_str()), ("error", &error)];
        events::RETIRED_CONFIG_LEFT_TO_ROLLBACK.log(context, &fields);
    }
}

/// Why a token counts as ended.
enum Revoked {
    /// Astra said so.
    Deleted,
    /// Astra does not have it, as far as its own organization tells.
    Absent,
}

fn revoke(context: &Context<'_>, client: &AstraClient<'_>, target: &Target<'_>) -> Result<Revoked, ClientError> {
    let client_id = target.client_id;
    let Err(error) = client.delete_token(client_id) else { return Ok(Revoked::Deleted) };
    match error {
        // Nothing was or can be asked, so nothing can be settled.
        ClientError::Denied { .. } | ClientError::ReadOnly | ClientError::OutOfTime => return Err(error),
        _ => client.use_time_to_settle(),
    }
    // An answer such as 404 may come from a wrong URL, before Astra looks at
    // the token; only the organization's own list tells that it is gone.
    let is_unknown = matches!(error, ClientError::NotFound | ClientError::Rejected { .. });
    let lookup = Lookup { client_id, made: target.made(), is_unknown };
    let gone = match is_gone(context, client, &lookup) {
        Ok(gone) => gone,
        // An admin token that ends itself sees no list afterwards.
        Err(ClientError::Refused { .. }) => client.asks_with(client_id) && is_dead(client),
        Err(_) => false,
    };
    if gone { Ok(Revoked::Absent) } else { Err(error) }
}

/// Does Astra not know the token that it is asked with? It tells every live one its organization.
fn is_dead(client: &AstraClient<'_>) -> bool {
    // 401 alone may be a gateway's, and 403 a rule about addresses.
    matches!(client.current_org(), Err(ClientError::Refused { error_id: Some(id), .. }) if is_unknown_token(id))
}
