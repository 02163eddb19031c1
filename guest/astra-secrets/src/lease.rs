//! Renewing and revoking a lease, by what the lease itself holds where role,
//! config or record have gone, leases of the Go plugin included.

use std::time::Duration;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Context, Error, Lease, Outcome, Response, Secret, SecretKind};

use crate::astra_token::{Held, KIND};
use crate::config;
use crate::ending::{Patience, Target, config_for_ending_from, end_token_with};
use crate::events::{self, Event};
use crate::history::{self, End};
use crate::limits::RENEWAL_ROUNDING;
use crate::record::{self, Record, RecordId};
use crate::role::lease_settings;
use crate::role::{self, Role, go_text};
use crate::storage::{self, OwnRead};
use crate::time_text;

/// The row of the engine's table for leased tokens.
pub(crate) const ASTRA_TOKEN: SecretKind = SecretKind { kind: KIND, renew: Some(renew), revoke };

/// Extends a lease.
pub(crate) fn renew(context: &Context<'_>, lease: &Lease) -> Outcome {
    let held = Held::of(lease).ok_or_else(names_no_token)?;
    if held.stands_for_nothing {
        return Err(stands_for_nothing());
    }
    let _guard = record::lock(context, &record_id(&held)?)?;
    let role_key = held.role_name.as_ref().map(|name| role::key(&held.org_id, name));
    let (Stored { record, .. }, role) = find_record_and(context, &held, role_key.as_deref())?;
    // A role that cannot be read is as one that has gone: the lease has what it was given.
    let role = role.ok().flatten();
    if record.as_ref().is_some_and(Record::names_no_token) {
        return Err(stands_for_nothing());
    }
    if record.as_ref().is_some_and(|record| record.ends) {
        return Err(Error::mistake(
            "the token of the lease is being ended, so the lease cannot be renewed: ask for a new token",
        ));
    }
    let bounds = Bounds::of(context, lease, &held, record.as_ref(), role.as_ref())?;
    let now = context.now();
    let left = bounds.end_max.saturating_sub(now);
    if left.as_secs() == 0 {
        return Err(Error::mistake("the lease has reached its maximum and cannot be renewed: ask for a new token"));
    }
    let ttl = bounds.wanted.min(left);
    if let Some(mut record) = record {
        // Never earlier: should the server die before it stores a shorter lease, the longer one goes on.
        let lease_end = (now + ttl).as_secs().max(record.lease_end.unwrap_or_default());
        record::renew(context, &mut record, lease_end)?;
    }
    let mut response = Response::default();
    if bounds.wanted.saturating_sub(ttl) > RENEWAL_ROUNDING {
        response = response.warn(format!(
            "the lease cannot be extended by {}: it ends in {} at the latest",
            go_text(bounds.wanted),
            go_text(Duration::from_secs(left.as_secs()))
        ));
    }
    response.secret = Some(
        Secret {
            ttl,
            // The server holds even an increment of the client's to this.
            max_ttl: bounds.end_max.saturating_sub(lease.issue_time),
            renewable: true,
            internal_data: lease.internal_data.clone(),
        }
        .of_kind(KIND),
    );
    log_lease(context, &events::LEASE_RENEWED, &held);
    Ok(Some(response))
}

/// Ends a lease, its token and its record.
pub(crate) fn revoke(context: &Context<'_>, lease: &Lease) -> Outcome {
    let held = Held::of(lease).ok_or_else(names_no_token)?;
    if held.stands_for_nothing {
        let _guard = held.record_id.as_ref().map(|id| record::lock(context, id)).transpose()?;
        return end_nothing(context, &held);
    }
    let _guard = record::lock(context, &record_id(&held)?)?;
    let (stored, config) = find_record_and(context, &held, Some(&config::key(&held.org_id)))?;
    let Stored { record, unreadable } = stored;
    let known = record.as_ref().map(|record| &record.client_id);
    let client_id = held.client_id.as_ref().or(known).ok_or_else(names_no_token)?;
    if client_id.is_empty() {
        return end_nothing(context, &held);
    }
    // The server was not told, or did not store, that it is done: the config, too, may have gone since.
    if record.is_none() && history::has_ended(context, &held.org_id, client_id)? {
        return Ok(None);
    }
    let origin = held.origin.as_ref().or(record.as_ref().and_then(|record| record.origin.as_ref()));
    let (how, patience, leased) = (End::Revoked, Patience::Caller, Some(lease.issue_time));
    let config = config.map_err(|error| config::with_repair(context, &held.org_id, &error))?;
    let config = config_for_ending_from(context, &held.org_id, origin, config.as_ref())?;
    let target = Target { org_id: &held.org_id, client_id, origin, record: record.as_ref(), leased, how, patience };
    end_token_with(context, &target, &config)?;
    if let Some(id) = &unreadable {
        record::remove_unreadable(context, &held.org_id, client_id, id)?;
    }
    log_lease(context, &events::TOKEN_REVOKED, &held);
    Ok(None)
}

/// Ends a lease for which nothing was made in Astra, with its record where there is one. Astra is not asked. Under the
/// lock of that record.
fn end_nothing(context: &Context<'_>, held: &Held) -> Outcome {
    if let Some(id) = &held.record_id {
        // Another token may have been made under the same logical name since.
        if let Some(record) = record::load_own(context, id)?.ok().flatten().filter(Record::names_no_token) {
            record::remove(context, &record, End::Revoked)?;
        }
    }
    log_lease(context, &events::EMPTY_LEASE_ENDED, held);
    Ok(None)
}

/// How far a lease may be extended.
struct Bounds {
    /// What is asked for.
    wanted: Duration,
    /// When it ends at the latest, since 1970-01-01T00:00:00Z.
    end_max: Duration,
}

impl Bounds {
    fn of(
        context: &Context<'_>,
        lease: &Lease,
        held: &Held,
        record: Option<&Record>,
        role: Option<&StorageEntry>,
    ) -> Result<Self, Error> {
        let role = match (role, &held.role_name) {
            (Some(entry), Some(name)) => role::decode(entry, &held.org_id, name).ok().flatten(),
            _ => None,
        };
        let view = context.host.system_view();
        let mount_max = view.max_lease_ttl().map_err(|error| lease_settings(&error))?;
        let max_ttl = [max_ttl(lease, role.as_ref()), mount_max].into_iter().filter(|max| !max.is_zero()).min();
        let mut end_max = lease.issue_time + max_ttl.unwrap_or_default();
        let expires_at = held.expires_at.as_deref().or(record.and_then(|record| record.expires_at.as_deref()));
        if let Some(expires_at) = expires_at.and_then(time_text::parse) {
            end_max = end_max.min(expires_at);
        }
        let own = held.asked_ttl.unwrap_or_else(|| role.as_ref().map_or(lease.ttl, |role| role.ttl));
        let wanted = match (lease.increment, own) {
            (Duration::ZERO, Duration::ZERO) => view.default_lease_ttl().map_err(|error| lease_settings(&error))?,
            (Duration::ZERO, own) => own,
            (increment, _) => increment,
        };
        Ok(Self { wanted, end_max })
    }
}

/// The role's maximum as it is now; without the role, what the lease was given.
fn max_ttl(lease: &Lease, role: Option<&Role>) -> Duration {
    role.map_or(lease.max_ttl, |role| role.max_ttl)
}

/// What is stored of a lease's token.
struct Stored {
    /// Its record.
    record: Option<Record>,
    /// Where its record stands, if that cannot be read.
    unreadable: Option<RecordId>,
}

/// The lease's record, and the entry under `other` in the time of the same
/// read. What stands in the record's place but is of another token is not it.
fn find_record_and(context: &Context<'_>, held: &Held, other: Option<&str>) -> Result<(Stored, OwnRead), Error> {
    let is_it = |record: &Record| {
        // A lease without a client ID is of the Go plugin's first versions, and so is its token.
        let is_its_token = held.client_id.as_ref().map_or(record.mark.is_empty(), |id| *id == record.client_id);
        record.org_id == held.org_id && is_its_token
    };
    let key = held.record_id.as_ref().map(RecordId::key);
    let [entry, other] = storage::own_entries(context, [key.as_deref(), other])?;
    let mut unreadable = None;
    if let Some(id) = &held.record_id {
        match entry.and_then(|entry| entry.map(|entry| record::decode(&entry, id)).transpose()) {
            Ok(Some(record)) if is_it(&record) => return Ok((Stored { record: Some(record), unreadable }, other)),
            Ok(_) => {}
            Err(error) => {
                // The lease itself holds what renewing and ending it takes.
                let error = error.to_string();
                events::LEASE_WITHOUT_RECORD.log(context, &[("error", &error)]);
                unreadable = Some(id.clone());
            }
        }
    }
    let record = match &held.client_id {
        // The Go plugin's leases, too, say where their record stands; none waits for the index to be filled.
        Some(client_id) => record::find_so_far(context, &held.org_id, client_id)?,
        None => None,
    };
    Ok((Stored { record, unreadable }, other))
}

fn record_id(held: &Held) -> Result<RecordId, Error> {
    let of_client = || held.client_id.as_ref().map(RecordId::of_client);
    held.record_id.clone().or_else(of_client).ok_or_else(names_no_token)
}

fn names_no_token() -> Error {
    Error::mistake(
        "the lease names no token of this engine: delete the token in Astra, then remove the lease by `vault lease revoke \
         -force -prefix` with the ID of the lease",
    )
}

fn stands_for_nothing() -> Error {
    Error::mistake(
        "the lease stands for no token, for Astra answered with an error when it was asked for one: revoke the lease, and \
         ask for a new token",
    )
}

fn log_lease(context: &Context<'_>, event: &Event, held: &Held) {
    let fields = [
        ("org", held.org_id.as_str()),
        ("role", held.role_name.as_ref().map_or("", |name| name.as_str())),
        ("client_id", held.client_id.as_deref().unwrap_or_default()),
        ("request_id", &context.request.id),
    ];
    event.log(context, &fields);
}

#[cfg(test)]
mod tests;
