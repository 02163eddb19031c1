//! `config/:org/rotate-root`: rotate an organization's admin token now.

use secrets_framework::{
    Context, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};
use serde::Serialize;

use crate::admin_rotation;
use crate::config::unknown_org;
use crate::path_config::fields::ORG;
use crate::path_config::target;
use crate::time_text;

/// `config/:org/rotate-root`.
pub(crate) const CONFIG_ORG_ROTATE_ROOT: Path = Path {
    pattern: &[Segment::Literal("config"), Segment::Capture("org"), Segment::Literal("rotate-root")],
    list: false,
    fields: &[ORG],
    operations: &[OperationSpec::new(Operation::Update, rotate, "Rotate the organization's admin token now.")
        .answering(ANSWER_FIELDS)],
    existence_check: None,
    synopsis: "Rotate an organization's admin token.",
    description: "Makes a new token with the Astra roles that Astra's list shows for the current one, proves it by a \
        call, and puts it into the config. The old one lives on for the config's `rotation_grace_period` and is then \
        deleted in Astra, also where an operator had made it: from then on only this mount has the organization's \
        admin token, and nobody ever sees it. Whatever fails before the new one is stored leaves the old one in its \
        place. `rotation_period` or `rotation_schedule` of the config do the same by themselves. The token must be \
        allowed to list, make and delete tokens. Before a mount is disabled, delete its configs: then admin tokens \
        that it made are deleted in Astra, too.",
};

const ANSWER_FIELDS: &[Field] = &[
    Field::new("client_id", FieldType::String, "Client ID of the new admin token."),
    Field::new("previous_client_id", FieldType::String, "Client ID of the one that it replaces."),
    Field::new("previous_ends", FieldType::String, "When that one is deleted in Astra, RFC 3339."),
];

#[derive(Serialize)]
struct Answer<'a> {
    client_id: &'a str,
    previous_client_id: &'a str,
    previous_ends: Option<String>,
}

fn rotate(context: &Context<'_>, data: &FieldData) -> Outcome {
    let org_id = target::in_path(context, data)?.org_id;
    let Some(rotated) = admin_rotation::rotate(context, &org_id)? else {
        return Err(unknown_org("org", org_id.as_str()));
    };
    let response = Response::json(&Answer {
        client_id: &rotated.client_id,
        previous_client_id: &rotated.previous_client_id,
        previous_ends: time_text::format(std::time::Duration::from_secs(rotated.previous_ends)),
    })?;
    Ok(Some(Response { warnings: rotated.warnings, ..response }))
}

#[cfg(test)]
mod tests;
