//! `config/:org/check`: is an organization healthy? The work is `check`'s.

use secrets_framework::{
    Context, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};

use crate::check::check;
use crate::names::NameError;
use crate::path_config::{fields::ORG, target};
use crate::read_only;

/// `config/:org/check`.
pub(crate) const CONFIG_ORG_CHECK: Path = Path {
    pattern: &[Segment::Literal("config"), Segment::Capture("org"), Segment::Literal("check")],
    list: false,
    fields: &[ORG, DEEP, FORMAT],
    operations: &[OperationSpec::new(Operation::Read, read, "Check an organization.").answering(ANSWER_FIELDS)],
    existence_check: None,
    synopsis: "Check whether an organization is healthy.",
    description: "Each item holds `ok`, which is `yes`, `no` or `unknown`, and `message`, a sentence that says why and \
        what to do. Astra is asked which organization the admin token belongs to, for its roles and for its tokens; \
        a token of a static role that the list lacks is tried with a call of its own; with `deep=true` a token is really \
        made and deleted. What Astra does wrong is told by the items and fails no request. `healthy` is true where the admin token is valid and no item is `no`.",
};

const DEEP: Field = Field::new(
    "deep",
    FieldType::Bool,
    "Really make a token, and delete it. On a node that cannot write the request is forwarded.",
)
.or("false");

const FORMAT: Field = Field::new(
    "format",
    FieldType::String,
    "`nested` = each item under its name; `flat` = `items`, a list of `name`, `ok` and `message`, for monitoring.",
)
.or("nested");

/// What it answers.
const ANSWER_FIELDS: &[Field] = &[
    Field::new("healthy", FieldType::Bool, "Is the admin token valid, and no item `no`?"),
    Field::new("deep", FieldType::Bool, "Was a token made and deleted?"),
    Field::new("astra_read_only", FieldType::Bool, "May this mount only read from Astra?"),
    Field::new("token_valid", FieldType::Map, "Does Astra take the admin token?"),
    Field::new("organization_matches", FieldType::Map, "Does the admin token belong to this organization?"),
    Field::new("may_list_roles", FieldType::Map, "May the admin token list roles? `sync-roles` needs it."),
    Field::new("may_list_tokens", FieldType::Map, "May it list tokens? Revocation, rotation and tidy need it."),
    Field::new("may_manage_tokens", FieldType::Map, "May it make and delete tokens? Only with `deep=true`."),
    Field::new("token_expiry", FieldType::Map, "Is the admin token's end far, or is there none?"),
    Field::new("clock_skew", FieldType::Map, "Do Astra's clock and ours agree?"),
    Field::new("roles_exist", FieldType::Map, "Has Astra the roles that the config and the mount's roles name?"),
    Field::new("role_lifetimes", FieldType::Map, "How long do leases live whose role has no `ttl`?"),
    Field::new("pending_wal", FieldType::Map, "Do write-ahead entries come to their end?"),
    Field::new("entries", FieldType::Map, "Can the entries of the mount's storage be read?"),
    Field::new("rotation", FieldType::Map, "How does the rotation of the admin token stand?"),
    Field::new("static_roles", FieldType::Map, "Do the static roles rotate in time?"),
    Field::new("served_tokens", FieldType::Map, "Has Astra still the tokens that static roles serve?"),
    Field::new("tidy", FieldType::Map, "How does the scheduled tidy stand?"),
    Field::new(
        "items",
        FieldType::Slice,
        "With `format=flat`, in place of the items under their names: `name`, `ok` and `message` of each.",
    ),
];

fn read(context: &Context<'_>, data: &FieldData) -> Outcome {
    let Some(config) = target::in_path(context, data)?.config else { return Ok(None) };
    // Known before anything is asked of Astra.
    let is_flat = is_flat(data)?;
    let checkup = check(context, &config, data.bool("deep").unwrap_or(false))?;
    let warnings = read_only::warning(context).into_iter().collect();
    let answer = if is_flat { Response::json(&checkup.flat())? } else { Response::json(&checkup)? };
    Ok(Some(Response { warnings, ..answer }))
}

fn is_flat(data: &FieldData) -> Result<bool, NameError> {
    match data.text("format") {
        Some("flat") => Ok(true),
        Some("nested" | "") | None => Ok(false),
        Some(other) => Err(NameError::new("format", other, "must be `flat` or `nested`")),
    }
}
