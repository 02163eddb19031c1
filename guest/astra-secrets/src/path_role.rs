//! `role`, `roles`, `roles/:org` and `roles/:org/:role`: which Astra roles a
//! token gets. The first two are the Go plugin's; the others give each role a
//! path of its own, for policies. All act on the same entries.

mod fields;
mod read;
mod target;
mod write;

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Segment,
};

use crate::astra_role;
use crate::duration_form::DurationForm;
use crate::page::{AFTER, LIMIT, Page};
use crate::path_config;

use fields::{ROLE_FIELDS, ROLES_ORG_ROLE_FIELDS};

/// `role`.
pub(crate) const ROLE: Path = Path {
    pattern: &[Segment::Literal("role")],
    list: false,
    fields: ROLE_FIELDS,
    operations: &[
        OperationSpec::new(Operation::Create, write_by_body, "Create a role."),
        OperationSpec::new(Operation::Update, write_by_body, "Change a role."),
        OperationSpec::new(Operation::Read, read_by_body, "Read a role.").answering(ROLE_ANSWER),
        OperationSpec::new(Operation::Delete, delete_by_body, "Delete a role."),
    ],
    existence_check: Some(exists_by_body),
    synopsis: "Manage the roles that tokens are made for.",
    description: "A role names the Astra role that a token gets, and how long its lease may run. `org_id` may be the \
        organization's logical name; `role_name` is folded to lower case. So this path is an alias of \
        `roles/<organization>/<role>` for every organization and role: a policy that allows or denies one of them must \
        not allow this path. A write changes only the fields that it \
        holds. Deleting a role leaves the tokens alive that were made for it.",
};

/// `roles`.
pub(crate) const ROLES: Path = Path {
    pattern: &[Segment::Literal("roles")],
    list: true,
    fields: &[AFTER, LIMIT],
    operations: &[
        OperationSpec::new(Operation::List, list_all, "List the roles of all organizations.").answering(LIST_FIELDS)
    ],
    existence_check: None,
    synopsis: "List the roles of all organizations.",
    description: "The keys are role names; where several organizations have a role of one name, `<org id>:<role name>` \
        for each of them, which `role` takes as `role_name`. `key_info` holds organization, role name, Astra role \
        and lifetimes.",
};

/// `roles/:org`.
pub(crate) const ROLES_ORG: Path = Path {
    pattern: &[Segment::Literal("roles"), Segment::Capture("org")],
    list: true,
    fields: &[path_config::fields::ORG, AFTER, LIMIT],
    operations: &[
        OperationSpec::new(Operation::List, list_org, "List the roles of one organization.").answering(LIST_FIELDS)
    ],
    existence_check: None,
    synopsis: "List the roles of one organization.",
    description: "The keys are role names. The organization is named by its ID: a logical name is refused.",
};

/// `roles/:org/:role`.
pub(crate) const ROLES_ORG_ROLE: Path = Path {
    pattern: &[Segment::Literal("roles"), Segment::Capture("org"), Segment::Capture("role")],
    list: false,
    fields: ROLES_ORG_ROLE_FIELDS,
    operations: &[
        OperationSpec::new(Operation::Create, write_by_path, "Create a role."),
        OperationSpec::new(Operation::Update, write_by_path, "Change a role."),
        OperationSpec::new(Operation::Read, read_by_path, "Read a role.").answering(ROLES_ORG_ROLE_ANSWER),
        OperationSpec::new(Operation::Delete, delete_by_path, "Delete a role."),
    ],
    existence_check: Some(exists_by_path),
    synopsis: "Manage one role of one organization.",
    description: "As `role`, with organization and role in the path, so that a policy can allow one role, and with \
        more settings. Both have one spelling here: the organization's ID, and the role's name in lower case. Only a \
        read with `with_astra_roles=true` answers `astra_roles`.",
};

/// What a read of `role` answers: all but the last field.
const ROLE_ANSWER: &[Field] = match answer(DurationForm::GoText).split_last() {
    Some((_, fields)) => fields,
    None => &[],
};

/// What a read of `roles/:org/:role` answers.
const ROLES_ORG_ROLE_ANSWER: &[Field] = &answer(DurationForm::Seconds);

const fn answer(durations: DurationForm) -> [Field; 10] {
    let duration = durations.kind();
    [
        Field::new("org_id", FieldType::String, "ID of the organization."),
        Field::new("role_name", FieldType::String, "Name of the role."),
        Field::new("role_id", FieldType::String, "ID of the Astra role; of several, the first."),
        Field::new("role_ids", FieldType::CommaStringSlice, "IDs of all Astra roles that a token gets."),
        Field::new("ttl", duration, "Time to live of a lease; 0 = the mount's default."),
        Field::new("max_ttl", duration, "Longest life of a lease; 0 = the mount's maximum."),
        Field::new("description", FieldType::String, "Template of a token's description; empty = the config's."),
        Field::new("token_expiry", FieldType::String, "`auto` or `off`."),
        Field::new(
            "max_tokens",
            FieldType::Int64,
            "How many of its leased tokens may be alive at once; 0 = any number.",
        ),
        astra_role::FIELD,
    ]
}

/// What a list answers.
const LIST_FIELDS: &[Field] = &[
    Field::new("keys", FieldType::CommaStringSlice, "Names of the roles."),
    Field::new("key_info", FieldType::Map, "By key: `org_id`, `role_name`, `role_id`, `ttl`, `max_ttl`."),
];

fn write_by_body(context: &Context<'_>, data: &FieldData) -> Outcome {
    target::in_body(context, data).and_then(|target| write::write(context, data, target))
}

fn write_by_path(context: &Context<'_>, data: &FieldData) -> Outcome {
    target::in_path(context, data).and_then(|target| write::write(context, data, target))
}

fn read_by_body(context: &Context<'_>, data: &FieldData) -> Outcome {
    target::role_in_body(context, data).and_then(|role| read::read(role.as_ref(), DurationForm::GoText))
}

fn read_by_path(context: &Context<'_>, data: &FieldData) -> Outcome {
    let role = target::role_in_path(context, data)?;
    if fields::with_astra_roles(data) {
        return read::read_with_astra_roles(context, role.as_ref(), DurationForm::Seconds);
    }
    read::read(role.as_ref(), DurationForm::Seconds)
}

fn delete_by_body(context: &Context<'_>, data: &FieldData) -> Outcome {
    target::found_in_body(context, data).and_then(|found| write::delete(context, found))
}

fn delete_by_path(context: &Context<'_>, data: &FieldData) -> Outcome {
    target::found_in_path(context, data).and_then(|found| write::delete(context, found))
}

fn list_all(context: &Context<'_>, data: &FieldData) -> Outcome {
    read::list_all(context, &Page::of(data))
}

fn list_org(context: &Context<'_>, data: &FieldData) -> Outcome {
    let org_id = path_config::target::in_path(context, data)?.org_id;
    read::list_org(context, &org_id, &Page::of(data))
}

/// Runs before the policy check, so it must change nothing and tell nothing:
/// what is wrong with the request is for the handler to say.
fn exists_by_body(context: &Context<'_>, data: &FieldData) -> Result<bool, Error> {
    Ok(target::load_by_body(context, data)?.is_some())
}

fn exists_by_path(context: &Context<'_>, data: &FieldData) -> Result<bool, Error> {
    Ok(target::load_by_path(context, data)?.is_some())
}

#[cfg(test)]
mod tests;
