//! `info`: what runs here, and how much it holds.

use std::collections::BTreeMap;

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};
use serde::Serialize;

use crate::config;
use crate::names::OrgId;
use crate::read_only;
use crate::record;
use crate::role;
use crate::static_role;
use crate::time_text;
use crate::version::{NAME, VERSION};

/// `info`.
pub(crate) const INFO: Path = Path {
    pattern: &[Segment::Literal("info")],
    list: false,
    fields: &[],
    operations: &[
        OperationSpec::new(Operation::Read, read, "Read version and counts of this engine.").answering(ANSWER_FIELDS)
    ],
    existence_check: None,
    synopsis: "Show which version of the engine runs, and how much it holds.",
    description: "`organizations` holds, for each configured organization, its logical name, how many roles and \
        static roles it has, and how many tokens of it this mount keeps a record of; `null` = more than one request \
        may count. From 1000 tokens on, the mount counts them about once an hour, and `tokens_counted` says when it did.",
};

const ANSWER_FIELDS: &[Field] = &[
    Field::new("name", FieldType::String, "Name of the engine."),
    Field::new("version", FieldType::String, "Version of the engine."),
    Field::new("storage_version", FieldType::Int64, "Version of the form in which the engine stores its data."),
    Field::new("astra_read_only", FieldType::Bool, "May this mount only read from Astra? See `--astra-read-only`."),
    Field::new(
        "organizations",
        FieldType::Map,
        "By organization: `logical_name`, `roles`, `static_roles`, `tokens`, `tokens_counted`.",
    ),
];

/// Goes up when an older version of the engine could no longer read what we
/// store. 1 is the Go plugin's own form with fields added.
const STORAGE_VERSION: u32 = 1;

#[derive(Serialize)]
struct InfoAnswer {
    name: &'static str,
    version: &'static str,
    storage_version: u32,
    astra_read_only: bool,
    organizations: BTreeMap<OrgId, Counts>,
}

#[derive(Serialize)]
struct Counts {
    logical_name: String,
    /// None = more than one request may count.
    roles: Option<usize>,
    static_roles: Option<usize>,
    tokens: Option<usize>,
    /// When many tokens were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_counted: Option<String>,
}

impl Counts {
    fn are_cut(&self) -> bool {
        [self.roles, self.static_roles, self.tokens].contains(&None)
    }
}

fn read(context: &Context<'_>, _: &FieldData) -> Outcome {
    let storage = context.storage();
    let mut organizations = BTreeMap::new();
    let org_ids = config::org_ids(storage)?;
    let tokens = record::counts(context, &org_ids)?;
    let roles = role::counts(storage, &org_ids)?;
    for ((org_id, tokens), roles) in org_ids.into_iter().zip(tokens).zip(roles) {
        // Deleted since the list was made, or damaged: not counted.
        let Some(config) = config::load_readable(context, &org_id)? else { continue };
        let counts = Counts {
            logical_name: config.logical_name_text().to_owned(),
            roles,
            static_roles: within_limits(static_role::names(storage, &org_id).map(|names| names.len()))?,
            tokens: tokens.tokens,
            tokens_counted: tokens.counted.and_then(time_text::of_seconds),
        };
        organizations.insert(org_id, counts);
    }
    let uncounted = organizations.values().any(Counts::are_cut);
    let astra_read_only = read_only::is_read_only(context);
    let info =
        InfoAnswer { name: NAME, version: VERSION, storage_version: STORAGE_VERSION, astra_read_only, organizations };
    let uncounted = uncounted.then(|| UNCOUNTED.to_owned());
    let warnings = uncounted.into_iter().chain(read_only::warning(context)).collect();
    Ok(Some(Response { warnings, ..Response::json(&info)? }))
}

/// A count that is too large for one request must not hide the others.
fn within_limits(count: Result<usize, Error>) -> Result<Option<usize>, Error> {
    match count {
        Ok(count) => Ok(Some(count)),
        Err(Error::Internal(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

const UNCOUNTED: &str = "some counts are `null`: there is more than one request may count";

#[cfg(test)]
mod tests;
