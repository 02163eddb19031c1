//! `static-creds/:org/:name`: the current token of a static role. Not leased:
//! it lives until it is replaced, and for the grace period after.

use std::borrow::Cow;

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};
use serde::Serialize;

use crate::astra_token::{Answer, CREDS_FIELDS, MetadataName};
use crate::config;
use crate::names::{OrgId, RoleName};
use crate::path_config::fields::ORG;
use crate::path_config::target;
use crate::path_static_roles::{NAME, spelled};
use crate::record;
use crate::schedule::Schedule;
use crate::static_role::{self, StaticRole};
use crate::storage;
use crate::time_text;

/// `static-creds/:org/:name`.
pub(crate) const STATIC_CREDS: Path = Path {
    pattern: &[Segment::Literal("static-creds"), Segment::Capture("org"), Segment::Capture("name")],
    list: false,
    fields: &[ORG, NAME],
    operations: &[OperationSpec::new(Operation::Read, read, "Read the current token of a static role.")
        .answering(STATIC_ANSWER_FIELDS)],
    existence_check: None,
    synopsis: "Read the current token of a static role.",
    description: "The token is not leased. It rotates in `ttl` seconds, or when somebody asks for it by \
        `rotate-role`, and lives on for the role's `grace_period` then: a client that reads again within that time \
        never has a request refused. A token that ended in Astra otherwise is replaced by rollback within the hour.",
};

const STATIC_ANSWER_FIELDS: &[Field] = &{
    let [client_id, secret, token, org_id, role_name, logical_name, generated_on, metadata, expires_at] = CREDS_FIELDS;
    [
        client_id,
        secret,
        token,
        org_id,
        role_name,
        logical_name,
        generated_on,
        metadata,
        expires_at,
        Field::new("ttl", FieldType::Int64, "Seconds to the next rotation, or to the next try of one; at least 1."),
        Field::new("lastRotated", FieldType::String, "When this mount made the token."),
        Field::new(
            "last_vault_rotation",
            FieldType::String,
            "The same, by the name that the server's own engines use.",
        ),
        Field::new(
            "rotation_schedule",
            FieldType::String,
            "When the token rotates: a cron expression in UTC, or a period as `@every 86400s`.",
        ),
    ]
};

/// Beside the token what clients go by to read again. Vault Secrets Operator wants `last_vault_rotation`, a `ttl` and a
/// `rotation_schedule`. There is no `rotation_period`: consul-template, which is in both agents, would take that beside
/// a `ttl` for leave not to read again before the rotation, and miss one by hand.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StaticAnswer<'a> {
    #[serde(flatten)]
    token: Answer<'a>,
    last_rotated: Option<&'a str>,
    #[serde(rename = "last_vault_rotation")]
    last_vault_rotation: Option<&'a str>,
    #[serde(rename = "rotation_schedule", skip_serializing_if = "Option::is_none")]
    rotation_schedule: Option<Cow<'a, str>>,
    ttl: u64,
}

fn read(context: &Context<'_>, data: &FieldData) -> Outcome {
    let (org_id, name) = spelled(data);
    RoleName::of_static_role(name.as_str())?;
    let Some((mut role, record_reads)) = load(context, &org_id, &name)? else {
        // A logical name in the path gets its own error.
        return target::in_path(context, data).map(|_| None);
    };
    for _ in 0..ATTEMPTS_MAX {
        if let Some(response) = show(context, &role, record_reads)? {
            return Ok(Some(response));
        }
        // Rotated meanwhile, perhaps, and ended already, without a grace period.
        match static_role::load(context, &role.org_id, &role.name)? {
            Some(now) if now.client_id != role.client_id => role = now,
            Some(_) => break,
            None => return Ok(None),
        }
    }
    Err(Error::Internal(format!(
        "static role `{name}` of organization `{org_id}` has lost the record of its token: write \
         `rotate-role/{org_id}/{name}`, and it gets a new one"
    )))
}

/// The role, and whether its organization wants reads recorded, in the time of one read.
fn load(context: &Context<'_>, org_id: &OrgId, name: &RoleName) -> Result<Option<(StaticRole, bool)>, Error> {
    let (role_key, config_key) = (storage::key::static_role(org_id, name), config::key(org_id));
    let [role, config] = storage::own_entries(context, [Some(&role_key), Some(&config_key)])?;
    let Some(role) = role? else { return Ok(None) };
    let role = static_role::decode(&role, org_id, name)?;
    // Reading a token needs nothing else of the config, so one that cannot be read stops no client.
    let config = config.ok().flatten().and_then(|entry| config::decode(&entry, org_id).ok());
    Ok(Some((role, config.is_none_or(|config| config.record_reads))))
}

/// Shows the role's token; none if it has gone.
fn show(context: &Context<'_>, role: &StaticRole, record_reads: bool) -> Outcome {
    let Some(record) = static_role::current_record(context, role)? else { return Ok(None) };
    let Some(secrets) = &record.secrets else { return Ok(None) };
    record::note_read(context, record_reads, &record)?;
    let last_rotated = time_text::of_seconds(role.last_rotated);
    Ok(Some(Response::json(&StaticAnswer {
        token: Answer::of(&record, secrets, MetadataName::Custom),
        last_rotated: last_rotated.as_deref(),
        last_vault_rotation: last_rotated.as_deref(),
        rotation_schedule: role.schedule.as_ref().map(schedule_text),
        // A client that sleeps by 0 would ask without a pause until rollback has rotated.
        ttl: role.turn.due.saturating_sub(context.now().as_secs()).max(1),
    })?))
}

/// A schedule as Kubernetes' operators write one.
fn schedule_text(schedule: &Schedule) -> Cow<'_, str> {
    match schedule {
        Schedule::Period(period) => Cow::Owned(format!("@every {}s", period.as_secs())),
        Schedule::Cron { expression, .. } => Cow::Borrowed(expression),
    }
}

/// How often a role is looked at that is rotated at the same time.
const ATTEMPTS_MAX: usize = 3;
