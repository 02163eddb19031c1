//! `static-roles/:org` and `static-roles/:org/:name`: named long-lived tokens
//! that rotate themselves. What they are is in `static_role`.

mod fields;
mod read;
mod write;

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};

use crate::astra_role;
use crate::names::{OrgId, RoleName};
use crate::page::{AFTER, LIMIT, Page};
use crate::path_config::fields::ORG;
use crate::path_config::target;
use crate::static_role::{self, StaticRole};
use crate::static_rotation;

use fields::STATIC_ROLE_FIELDS;

/// The static role in a path.
pub(crate) const NAME: Field = Field::new(
    "name",
    FieldType::String,
    "Name of the static role, in lower case; an upper-case letter is refused, for policies name paths.",
)
.required();

/// `static-roles/:org`.
pub(crate) const STATIC_ROLES_ORG: Path = Path {
    pattern: &[Segment::Literal("static-roles"), Segment::Capture("org")],
    list: true,
    fields: &[ORG, AFTER, LIMIT],
    operations: &[
        OperationSpec::new(Operation::List, list, "List the static roles of an organization.").answering(LIST_FIELDS)
    ],
    existence_check: None,
    synopsis: "List the static roles of an organization.",
    description: "The keys are names; `key_info` holds the Astra roles, when the token was made, and when it rotates \
        next. Nothing secret is shown.",
};

/// `static-roles/:org/:name`.
pub(crate) const STATIC_ROLES_ORG_NAME: Path = Path {
    pattern: &[Segment::Literal("static-roles"), Segment::Capture("org"), Segment::Capture("name")],
    list: false,
    fields: STATIC_ROLE_FIELDS,
    operations: &[
        OperationSpec::new(Operation::Create, write, "Create a static role and its first token."),
        OperationSpec::new(Operation::Update, write, "Change a static role."),
        OperationSpec::new(Operation::Read, read, "Read a static role; its token is at `static-creds`.")
            .answering(READ_FIELDS),
        OperationSpec::new(Operation::Delete, delete, "Revoke a static role's tokens and delete it."),
    ],
    existence_check: Some(exists),
    synopsis: "Manage a named long-lived token that rotates itself.",
    description: "A static role has one current token at a time, which `static-creds` shows to whoever may read it. \
        The first is made when the role is created. When its time comes, by `rotation_period` or \
        `rotation_schedule`, another one is made and proven, and takes its place; the one before lives on for \
        `grace_period`, so that a client that read it goes on working. A rotation that fails is tried again, later \
        each time, and changes nothing. `role_ids` that a write changes are those of the next token. Deleting a static \
        role revokes its tokens; do so before the mount is disabled, for nothing else would end them then.",
};

/// What a read answers.
const READ_FIELDS: &[Field] = &[
    Field::new("org_id", FieldType::String, "ID of the organization."),
    Field::new("name", FieldType::String, "Name of the static role."),
    Field::new("role_ids", FieldType::CommaStringSlice, "IDs of the Astra roles of its next token."),
    Field::new("rotation_period", FieldType::DurationSecond, "Time between two rotations; 0 = none."),
    Field::new("rotation_schedule", FieldType::String, "Cron expression of its rotations, in UTC; empty = none."),
    Field::new(
        "rotation_window",
        FieldType::DurationSecond,
        "How long after its time a rotation may begin; 0 = always.",
    ),
    Field::new("grace_period", FieldType::DurationSecond, "How long a replaced token lives on."),
    Field::new("description", FieldType::String, "Template of a token's description; empty = the config's."),
    Field::new("client_id", FieldType::String, "Client ID of the current token."),
    Field::new("previous_client_id", FieldType::String, "Client ID of the token before, while it lives on."),
    Field::new("previous_ends", FieldType::String, "When that one ends."),
    Field::new("last_rotated", FieldType::String, "When the current token was made."),
    Field::new("next_rotation", FieldType::String, "When it rotates next, or is tried again."),
    Field::new("failures", FieldType::Int64, "How often in a row the scheduled rotation has failed."),
    Field::new("last_error", FieldType::String, "Why it failed last; empty = it did not."),
    astra_role::FIELD,
];

/// What a list answers.
const LIST_FIELDS: &[Field] = &[
    Field::new("keys", FieldType::CommaStringSlice, "Names of the static roles."),
    Field::new("key_info", FieldType::Map, "By name: `role_ids`, `last_rotated`, `next_rotation`."),
];

fn list(context: &Context<'_>, data: &FieldData) -> Outcome {
    let org_id = target::in_path(context, data)?.org_id;
    read::list(context, &org_id, &Page::of(data))
}

fn read(context: &Context<'_>, data: &FieldData) -> Outcome {
    in_path(context, data).and_then(|role| read::read(context, role.as_ref()))
}

fn write(context: &Context<'_>, data: &FieldData) -> Outcome {
    write::write(context, data)
}

/// Runs before the policy check, so it must change nothing and tell nothing:
/// what is wrong with the request is for the handler to say.
fn exists(context: &Context<'_>, data: &FieldData) -> Result<bool, Error> {
    let (org_id, name) = spelled(data);
    static_role::exists(context, &org_id, &name)
}

/// Deleting what is not there succeeds; what is not readable can be deleted, too.
fn delete(context: &Context<'_>, data: &FieldData) -> Outcome {
    let (org_id, name) = spelled(data);
    RoleName::of_static_role(name.as_str())?;
    if !static_role::exists(context, &org_id, &name)? {
        return target::in_path(context, data).map(|_| None);
    }
    let warning = static_rotation::delete(context, &org_id, &name)?;
    Ok(warning.map(|warning| Response::default().warn(warning)))
}

/// The static role that the path names, where there is one, in one read.
pub(crate) fn in_path(context: &Context<'_>, data: &FieldData) -> Result<Option<StaticRole>, Error> {
    let (org_id, name) = spelled(data);
    RoleName::of_static_role(name.as_str())?;
    if let Some(role) = static_role::load(context, &org_id, &name)? {
        return Ok(Some(role));
    }
    // A logical name in the path gets its own error.
    target::in_path(context, data).map(|_| None)
}

/// Organization and name as the path spells them.
pub(crate) fn spelled(data: &FieldData) -> (OrgId, RoleName) {
    let text = |name: &str| data.text(name).unwrap_or_default();
    (OrgId::stored(text("org")), RoleName::stored(text("name")))
}

#[cfg(test)]
mod tests;
