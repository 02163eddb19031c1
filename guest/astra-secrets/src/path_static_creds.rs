//! `static-creds/:org/:name`: the current token of a static role. Not leased:
//! it lives until it is replaced, and for the grace period after.

use std::time::Duration;

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};
use serde::Serialize;

use crate::astra_token::{ANSWER_FIELDS, Answer};
use crate::config;
use crate::names::{OrgId, RoleName};
use crate::path_config::fields::ORG;
use crate::path_config::target;
use crate::path_static_roles::{NAME, spelled};
use crate::record;
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
    let mut fields = [Field::new("ttl", FieldType::Int64, "Seconds to the next rotation; 0 = it is due."); FIELD_COUNT];
    let mut index = 0;
    while index < ANSWER_FIELDS.len() {
        fields[index] = ANSWER_FIELDS[index];
        index += 1;
    }
    fields[index] = Field::new("lastRotated", FieldType::String, "When this mount made the token.");
    fields
};

const FIELD_COUNT: usize = ANSWER_FIELDS.len() + 2;

/// No `rotation_period`: beside a `ttl`, Vault Agent and consul-template would
/// take it for leave not to read again before the rotation, and miss one by hand.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StaticAnswer<'a> {
    #[serde(flatten)]
    token: Answer<'a>,
    last_rotated: Option<String>,
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
    let [role, config] = storage::entries(context, [Some(&role_key), Some(&config_key)])?;
    let Some(role) = role else { return Ok(None) };
    let role = static_role::decode(&role, org_id, name)?;
    let config = config.map(|entry| config::decode(&entry, org_id)).transpose()?;
    Ok(Some((role, config.is_none_or(|config| config.record_reads))))
}

/// Shows the role's token; none if it has gone.
fn show(context: &Context<'_>, role: &StaticRole, record_reads: bool) -> Outcome {
    let Some(record) = static_role::current_record(context, role)? else { return Ok(None) };
    let Some(secrets) = &record.secrets else { return Ok(None) };
    record::note_read(context, record_reads, &record)?;
    Ok(Some(Response::json(&StaticAnswer {
        token: Answer::of(&record, secrets),
        last_rotated: time_text::format(Duration::from_secs(role.last_rotated)),
        ttl: role.turn.due.saturating_sub(context.now().as_secs()),
    })?))
}

/// How often a role is looked at that is rotated at the same time.
const ATTEMPTS_MAX: usize = 3;
