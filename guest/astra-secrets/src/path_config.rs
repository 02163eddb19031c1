//! `config`, `configs` and `config/:org`: one organization's settings. The
//! first two are the Go plugin's; the third gives each organization a path of
//! its own, for policies. All three act on the same entries.

mod checks;
mod delete;
pub(crate) mod fields;
mod read;
mod rows;
pub(crate) mod target;
mod verify;
mod write;

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Segment,
};

use crate::config;
use crate::duration_form::DurationForm;
use crate::names::OrgId;
use crate::page::{AFTER, LIMIT, Page};

use rows::{CONFIG_ANSWER, CONFIG_FIELDS, CONFIG_ORG_ANSWER, CONFIG_ORG_FIELDS};

/// `config`.
pub(crate) const CONFIG: Path = Path {
    pattern: &[Segment::Literal("config")],
    list: true,
    fields: CONFIG_FIELDS,
    operations: &[
        OperationSpec::new(Operation::Create, write_by_body, "Configure an organization."),
        OperationSpec::new(Operation::Update, write_by_body, "Change an organization's settings."),
        OperationSpec::new(Operation::Read, read_by_body, "Read an organization's settings.").answering(CONFIG_ANSWER),
        OperationSpec::new(Operation::Delete, delete_by_body, "Delete an organization's settings."),
        OperationSpec::new(Operation::List, list, "List the configured organizations.").answering(LIST_FIELDS),
    ],
    existence_check: Some(exists_by_body),
    synopsis: "Configure the organizations whose tokens this mount makes.",
    description: "An organization is configured with the Astra token that makes and deletes its other tokens. \
        `org_id` names it; on a read or delete `logical_name` may, too. So this path is an alias of \
        `config/<organization>` for every organization: a policy that allows or denies one of them must not allow \
        this path. A write changes only the fields that it holds; one that changes scheme, host, port or path of `url` \
        must hold `astra_token`, too. Before a token is stored, Astra is asked which organization it belongs to, unless `verify=false`. \
        A config cannot be deleted, nor its URL moved to another origin, while tokens of the organization are \
        alive, unless `force=true`. An admin token that a rotation made is this mount's own: when another takes its \
        place it is deleted in Astra after the grace period, and when its config is deleted as soon as no other \
        token is left for it to end; so delete the configs before the mount is disabled. One that an operator wrote \
        stays alive, unless a rotation replaced it.",
};

/// `configs`.
pub(crate) const CONFIGS: Path = Path {
    pattern: &[Segment::Literal("configs")],
    list: true,
    fields: &[AFTER, LIMIT],
    operations: &[
        OperationSpec::new(Operation::List, list, "List the configured organizations.").answering(LIST_FIELDS)
    ],
    existence_check: None,
    synopsis: "List the configured organizations.",
    description: "The keys are organization IDs; `key_info` holds ID, logical name, URL and caller mode. Nothing \
        secret is shown.",
};

/// `config/:org`.
pub(crate) const CONFIG_ORG: Path = Path {
    pattern: &[Segment::Literal("config"), Segment::Capture("org")],
    list: false,
    fields: CONFIG_ORG_FIELDS,
    operations: &[
        OperationSpec::new(Operation::Create, write_by_path, "Configure an organization."),
        OperationSpec::new(Operation::Update, write_by_path, "Change an organization's settings."),
        OperationSpec::new(Operation::Read, read_by_path, "Read an organization's settings.")
            .answering(CONFIG_ORG_ANSWER),
        OperationSpec::new(Operation::Delete, delete_by_path, "Delete an organization's settings."),
    ],
    existence_check: Some(exists_by_path),
    synopsis: "Configure one organization.",
    description: "As `config`, with the organization's ID in the path, so that a policy can allow one organization, \
        and with more settings. The ID is its only spelling here: a logical name is refused. With `rotation_period` \
        or `rotation_schedule` the admin token is rotated as by `config/<organization>/rotate-root`, driven by the \
        call that the server makes each minute: what was missed is made up for once, what fails is tried again after \
        1 minute, doubling up to 1 hour, and is shown in `config/<organization>/check`.",
};

/// What a list answers.
const LIST_FIELDS: &[Field] = &[
    Field::new("keys", FieldType::CommaStringSlice, "IDs of the organizations."),
    Field::new("key_info", FieldType::Map, "By ID: `org_id`, `logical_name`, `url`, `caller_mode`."),
];

fn write_by_body(context: &Context<'_>, data: &FieldData) -> Outcome {
    let found = target::in_body(context, data);
    write::write(context, data, target::even_damaged(context, body_org(data), found)?)
}

fn write_by_path(context: &Context<'_>, data: &FieldData) -> Outcome {
    let found = target::in_path(context, data);
    write::write(context, data, target::even_damaged(context, path_org(data), found)?)
}

fn read_by_body(context: &Context<'_>, data: &FieldData) -> Outcome {
    target::named(context, data).and_then(|target| read::read(target.config.as_ref(), DurationForm::GoText))
}

fn read_by_path(context: &Context<'_>, data: &FieldData) -> Outcome {
    target::in_path(context, data).and_then(|target| read::read(target.config.as_ref(), DurationForm::Seconds))
}

fn delete_by_body(context: &Context<'_>, data: &FieldData) -> Outcome {
    let found = target::named(context, data);
    delete::delete(context, data, &target::even_damaged(context, body_org(data), found)?.org_id)
}

fn delete_by_path(context: &Context<'_>, data: &FieldData) -> Outcome {
    let found = target::in_path(context, data);
    delete::delete(context, data, &target::even_damaged(context, path_org(data), found)?.org_id)
}

fn body_org(data: &FieldData) -> &str {
    data.text("org_id").unwrap_or_default()
}

fn path_org(data: &FieldData) -> &str {
    data.text("org").unwrap_or_default()
}

fn list(context: &Context<'_>, data: &FieldData) -> Outcome {
    read::list(context, &Page::of(data))
}

/// Runs before the policy check, so it must change nothing and tell nothing:
/// what is wrong with the request is for the handler to say.
fn exists_by_body(context: &Context<'_>, data: &FieldData) -> Result<bool, Error> {
    Ok(config::find(context, body_org(data))?.is_some())
}

fn exists_by_path(context: &Context<'_>, data: &FieldData) -> Result<bool, Error> {
    Ok(config::load(context, &OrgId::stored(path_org(data)))?.is_some())
}

#[cfg(test)]
mod tests;
