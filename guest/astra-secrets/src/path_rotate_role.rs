//! `rotate-role/:org/:name`: rotate a static role now, whatever its schedule says.

use std::time::Duration;

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};
use serde::Serialize;

use crate::ending::Patience;
use crate::names::shown;
use crate::path_config::fields::ORG;
use crate::path_static_roles::{NAME, in_path};
use crate::static_role;
use crate::static_rotation;
use crate::time_text;

/// `rotate-role/:org/:name`.
pub(crate) const ROTATE_ROLE: Path = Path {
    pattern: &[Segment::Literal("rotate-role"), Segment::Capture("org"), Segment::Capture("name")],
    list: false,
    fields: &[ORG, NAME],
    operations: &[OperationSpec::new(Operation::Update, rotate, "Rotate a static role now.").answering(ANSWER_FIELDS)],
    existence_check: None,
    synopsis: "Rotate a static role's token now.",
    description: "Makes and proves another token, which takes the current one's place; the one before lives on for \
        the role's `grace_period`. The schedule counts from now. To end a token that has leaked at once, rotate, and \
        then delete `tokens/<org>/<previous_client_id>`.",
};

const ANSWER_FIELDS: &[Field] = &[
    Field::new("client_id", FieldType::String, "Client ID of the new token; read it at `static-creds`."),
    Field::new("previous_client_id", FieldType::String, "Client ID of the token that it replaced."),
    Field::new("previous_ends", FieldType::String, "When that one ends."),
    Field::new("last_rotated", FieldType::String, "When the new token was made."),
];

#[derive(Serialize)]
struct RotateAnswer<'a> {
    client_id: &'a str,
    previous_client_id: Option<&'a str>,
    previous_ends: Option<String>,
    last_rotated: Option<String>,
}

fn rotate(context: &Context<'_>, data: &FieldData) -> Outcome {
    let Some(found) = in_path(context, data)? else { return Err(unknown(data)) };
    let _turn = static_role::lock(context, &found.org_id, &found.name)?;
    // Again, now that nobody else changes it.
    let Some(mut role) = static_role::load(context, &found.org_id, &found.name)? else { return Err(unknown(data)) };
    let replaced = role.client_id.clone();
    static_rotation::rotate(context, &mut role, Patience::Caller)?;
    let previous = role.replaced.iter().find(|token| Some(&token.client_id) == replaced.as_ref());
    let time = |seconds| time_text::format(Duration::from_secs(seconds));
    let response = Response::json(&RotateAnswer {
        client_id: role.client_id.as_deref().unwrap_or_default(),
        previous_client_id: previous.map(|token| token.client_id.as_str()),
        previous_ends: previous.and_then(|token| time(token.ends)),
        last_rotated: time(role.last_rotated),
    })?;
    Ok(Some(Response { warnings: role.told_early().into_iter().collect(), ..response }))
}

fn unknown(data: &FieldData) -> Error {
    let text = |name: &str| data.text(name).unwrap_or_default();
    let (org, name) = (text("org"), text("name"));
    Error::mistake(format!(
        "`name` is {}: organization {} has no such static role: write it at `static-roles` first",
        shown(name),
        shown(org)
    ))
}
