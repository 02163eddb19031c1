//! Taking an existing token over: a static role that is created with a token which somebody made in Astra's portal, so
//! that its clients go on with it until the first rotation.

use std::collections::BTreeSet;
use std::time::Duration;

use secrets_framework::{Context, Error, Sensitive};

use super::rotate::allowed_role_ids;
use crate::client::{AstraClient, ClientError, ListedToken};
use crate::config::{self, AdminToken, OrgConfig, Retired, unknown_org};
use crate::ending::Patience;
use crate::events;
use crate::history;
use crate::in_use;
use crate::mint::{Owner, owner_of};
use crate::names::{ClientId, OrgId};
use crate::read_only;
use crate::record::{self, Record, RecordId, TokenKind, TokenSecrets};
use crate::schedule::{Turn, renewal};
use crate::static_role::StaticRole;
use crate::storage::write_batch;
use crate::time_text;

/// Makes `token` the first token of the role, and stores both. The caller holds the role's lock; the role is not stored
/// yet. Nothing changes in Astra.
pub(crate) fn take_over(context: &Context<'_>, role: &mut StaticRole, token: &AdminToken) -> Result<(), Error> {
    let config = config::load(context, &role.org_id)?.ok_or_else(|| unknown_org("org", role.org_id.as_str()))?;
    let role_ids = allowed_role_ids(&config, role)?;
    // The mount could neither replace nor end it.
    read_only::check(context, || {
        format!("no token was taken over for static role `{}` of organization `{}`", role.name, role.org_id)
    })?;
    let client_id = token.client_id().unwrap_or_default();
    let id = RecordId::of_client(&client_id);
    let _guard = record::lock(context, &id)?;
    refuse_if_known(context, &config, role, &client_id)?;
    let client = Patience::Caller.client(context, &config);
    let listed = proven(&client, &config, token, &role_ids)?;
    let record = record_of(context, role, &config, role_ids, token, &listed);
    let now = context.now().as_secs();
    role.client_id = Some(client_id);
    role.token_url = config.url.to_string();
    role.last_rotated = now;
    role.turn = Turn::after(role.schedule.as_ref(), now, renewal(record.expires_at.as_deref(), now, role.grace_period));
    // The record before the role: a static role never stands without its token.
    let mut writes = Vec::from(record::writes_of_new(&record)?);
    writes.extend(role.writes(0)?);
    write_batch(context, &writes)?;
    log(context, &record);
    Ok(())
}

/// A token that the mount has for something else cannot become a static role's.
fn refuse_if_known(
    context: &Context<'_>,
    config: &OrgConfig,
    role: &StaticRole,
    client_id: &ClientId,
) -> Result<(), Error> {
    let org_id = &config.org_id;
    let refuse = |what: &str| {
        Err(Error::conflict(format!(
            "`token` is the token `{client_id}`, {what}: give a token that this mount does not hold"
        )))
    };
    let kept = Retired::load(context, org_id)?.into_configs();
    let mut admin_tokens = kept.map(|kept| kept.admin_token).filter(|kept| kept.is(client_id));
    let user = in_use::configured_by(context, org_id, client_id)?;
    if let Some(user) = user.or_else(|| admin_tokens.next().map(|_| org_id.clone())) {
        return refuse(&format!("the admin token of organization `{user}`"));
    }
    if history::has_ended(context, org_id, client_id)? {
        return refuse("which this mount has ended in Astra");
    }
    match record::find(context, org_id, client_id)? {
        // What a take-over of this very role left that did not come to its end.
        Some(record) if record.kind == TokenKind::Static && record.role_name == role.name => {
            match in_use::is_held(context, &record)? || record.lease_end.is_some() {
                true => refuse(&format!("which static role `{}` has or had", role.name)),
                false => Ok(()),
            }
        }
        Some(record) => refuse(&format!("which this mount holds for role `{}`", record.role_name)),
        None => Ok(()),
    }
}

/// The token as Astra lists it, if it works, is the organization's, and has the roles that the static role names.
fn proven(
    client: &AstraClient<'_>,
    config: &OrgConfig,
    token: &AdminToken,
    role_ids: &[String],
) -> Result<ListedToken, Error> {
    let org_id = &config.org_id;
    match owner_of(client, config, token.expose()) {
        Ok(Owner::ThisOrganization) => {}
        Ok(Owner::Another) => {
            return Err(Error::mistake(format!(
                "`token` belongs to another organization than `{org_id}`: give a token of this organization"
            )));
        }
        Err(error @ ClientError::Refused { .. }) => {
            return Err(Error::mistake(format!(
                "`token` does not work, so nothing was stored: Astra refused a call with it ({error}); give a token of \
                 organization `{org_id}` that works"
            )));
        }
        Err(error) => return Err(client.failure(&error)),
    }
    let client_id = token.client_id().unwrap_or_default();
    let listed = client.find_token(|listed| listed.client_id == client_id).map_err(|error| client.failure(&error))?;
    let Some(listed) = listed else { return Err(not_listed(org_id, &client_id)) };
    let has: BTreeSet<&str> = listed.roles.iter().flatten().map(String::as_str).collect();
    let wanted: BTreeSet<&str> = role_ids.iter().map(String::as_str).collect();
    if has != wanted {
        let has: Vec<&str> = has.into_iter().collect();
        return Err(Error::mistake(format!(
            "`role_ids` are not the Astra roles of `token`, which are `{}`: write these, and change them after the token \
             was taken over",
            has.join("`, `")
        )));
    }
    Ok(listed)
}

fn record_of(
    context: &Context<'_>,
    role: &StaticRole,
    config: &OrgConfig,
    role_ids: Vec<String>,
    token: &AdminToken,
    listed: &ListedToken,
) -> Record {
    let text = |time: Option<Duration>| time.and_then(time_text::format);
    Record {
        role_name: role.name.clone(),
        role_ids,
        generated_on: text(listed.generated_on).unwrap_or_default(),
        expires_at: text(listed.expiry),
        // Astra shows a client secret once, to who made the token.
        secrets: Some(TokenSecrets { secret: Sensitive::new(String::new()), token: token.bearer() }),
        origin: Some(config.url.origin().clone()),
        kind: TokenKind::Static,
        created_by: role.created_by.clone(),
        made: Some(context.now().as_secs()),
        ..Record::new(role.org_id.clone(), &listed.client_id)
    }
}

fn not_listed(org_id: &OrgId, client_id: &ClientId) -> Error {
    Error::coded(
        502,
        format!(
            "Astra's list of the tokens of organization `{org_id}` does not show `token`, which is `{client_id}`, so its \
             Astra roles are not known and nothing was stored: try again later"
        ),
    )
}

fn log(context: &Context<'_>, record: &Record) {
    let fields =
        [("org", record.org_id.as_str()), ("static_role", record.role_name.as_str()), ("client_id", &record.client_id)];
    record.created_by.log(context, &events::STATIC_TOKEN_TAKEN_OVER, &fields);
}
