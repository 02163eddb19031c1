//! `roles` and `roles/:name`: who gets a path of their own below `creds/`, and what is other for them than in the config.

use secrets_framework::host::StorageEntry;
use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::fields::{self, CREATE_BODY, MAX_TTL, TTL, sent};
use crate::limits::ROLE_NAME_BYTES_MAX;
use crate::template;

const PREFIX: &str = "role/";

const NAME: Field = Field::new("name", FieldType::String, "Name of the role: letters, digits, `-` and `_`.").required();

/// `roles`.
pub(crate) const ROLES: Path = Path {
    pattern: &[Segment::Literal("roles")],
    list: true,
    fields: &[],
    operations: &[OperationSpec::new(Operation::List, list, "List the roles.")],
    existence_check: None,
    synopsis: "List the roles.",
    description: "The keys are names of roles.",
};

/// `roles/:name`.
pub(crate) const ROLE: Path = Path {
    pattern: &[Segment::Literal("roles"), Segment::Capture("name")],
    list: false,
    fields: &[NAME, CREATE_BODY, TTL, MAX_TTL],
    operations: &[
        OperationSpec::new(Operation::Create, write, "Create a role."),
        OperationSpec::new(Operation::Update, write, "Change a role; what is not sent stays."),
        OperationSpec::new(Operation::Read, read, "Read a role.").answering(&[CREATE_BODY, TTL, MAX_TTL]),
        OperationSpec::new(Operation::Delete, delete, "Delete a role; its leases can be revoked, and not renewed."),
    ],
    existence_check: Some(exists),
    synopsis: "Manage a role.",
    description: "What a role leaves empty or 0 is as in the config.",
};

/// A role, as it is stored.
#[derive(Default, Deserialize, Serialize)]
pub(crate) struct Role {
    /// Empty = the config's.
    pub(crate) create_body: String,
    /// Seconds; 0 = the config's.
    pub(crate) ttl: u64,
    /// Seconds; 0 = the config's.
    pub(crate) max_ttl: u64,
}

/// A stored role; none where there is none.
pub(crate) fn load(context: &Context<'_>, name: &str) -> Result<Option<Role>, Error> {
    if !is_name(name) {
        return Ok(None);
    }
    let key = key(name);
    let Some(entry) = context.storage().get(&key)? else { return Ok(None) };
    let damaged = || Error::Internal(format!("the entry `{key}` is damaged: delete the role and write it again"));
    entry.parsed().map(Some).ok_or_else(damaged)
}

fn write(context: &Context<'_>, data: &FieldData) -> Outcome {
    let name = name(data);
    if !is_name(name) {
        return Err(Error::mistake(format!(
            "`{name}` is no name of a role: use up to {ROLE_NAME_BYTES_MAX} letters, digits, `-` and `_`"
        )));
    }
    let key = key(name);
    let _turn = context.host.locks().acquire(&key)?;
    let mut role = load(context, name)?.unwrap_or_default();
    if let Some(body) = sent(data, "create_body") {
        if !body.is_empty() {
            template::check_body(body)?;
        }
        body.clone_into(&mut role.create_body);
    }
    fields::apply_ttls(data, &mut role.ttl, &mut role.max_ttl)?;
    context.storage().put(StorageEntry::json(key, &role)?)?;
    Ok(None)
}

fn read(context: &Context<'_>, data: &FieldData) -> Outcome {
    let Some(role) = load(context, name(data))? else { return Ok(None) };
    let data = json!({ "create_body": role.create_body, "ttl": role.ttl, "max_ttl": role.max_ttl });
    Response::json(&data).map(Some)
}

fn delete(context: &Context<'_>, data: &FieldData) -> Outcome {
    let name = name(data);
    if is_name(name) {
        context.storage().delete(&key(name))?;
    }
    Ok(None)
}

fn list(context: &Context<'_>, _: &FieldData) -> Outcome {
    let keys = context.storage().list(PREFIX)?;
    if keys.is_empty() { Ok(None) } else { Response::json(&json!({ "keys": keys })).map(Some) }
}

fn exists(context: &Context<'_>, data: &FieldData) -> Result<bool, Error> {
    Ok(is_name(name(data)) && context.storage().get(&key(name(data)))?.is_some())
}

fn name(data: &FieldData) -> &str {
    data.text("name").unwrap_or_default()
}

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

fn is_name(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !text.is_empty() && text.len() <= ROLE_NAME_BYTES_MAX && text.bytes().all(is_plain)
}
