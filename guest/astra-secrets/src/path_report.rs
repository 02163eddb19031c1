//! `report` and `report/:org`: who owns which token, what the token reaches, and whether it is used.

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};
use serde::Serialize;

use crate::limits::REPORT_PAGE_MAX;
use crate::names::{NameError, OrgId};
use crate::path_config::target;
use crate::record;
use crate::report::{self, Answered, Filter, Order, Question};
use crate::storage::key::segment;

/// `report`.
pub(crate) const REPORT: Path = Path {
    pattern: &[Segment::Literal("report")],
    list: false,
    fields: &[OWNER, ROLE, KIND, METADATA, UNUSED_FOR, EXPIRES_WITHIN, REACHES, SORT, SUMMARY, AFTER, LIMIT],
    operations: &[OperationSpec::new(Operation::Read, read_all, "Report the tokens of all organizations.")
        .answering(ANSWER_FIELDS)],
    existence_check: None,
    synopsis: "Report who owns each token, what the token reaches, and whether it is used.",
    description: DESCRIPTION,
};

/// `report/:org`.
pub(crate) const REPORT_ORG: Path = Path {
    pattern: &[Segment::Literal("report"), Segment::Capture("org")],
    list: false,
    fields: &[ORG, OWNER, ROLE, KIND, METADATA, UNUSED_FOR, EXPIRES_WITHIN, REACHES, SORT, SUMMARY, AFTER, LIMIT],
    operations: &[
        OperationSpec::new(Operation::Read, read_org, "Report the tokens of an organization.").answering(ANSWER_FIELDS)
    ],
    existence_check: None,
    synopsis: "Report who owns each token of an organization, what the token reaches, and whether it is used.",
    description: DESCRIPTION,
};

const DESCRIPTION: &str = "Shows the live tokens that this mount made, by what it has stored: Astra is asked nothing. All \
    filters that are sent must apply. A page has at most 1000 tokens, and fewer where a request may read no more: `next` is \
    the `after` of the next page, and null at the end. `last_read` is when a client read the secret again by `org/token` or \
    `static-creds`; the secret of a `creds` or `sidecar` token is shown once, at its mint. Astra tells nobody when a token \
    was used last. So `last_use` says when somebody made the token, read it or renewed its lease, whatever was last; a \
    mount whose config sets `record_reads=false` does not know of reads. A static role makes a new token with each \
    rotation, and that counts as made then. Nothing secret is shown.";

const ORG: Field = Field::new("org", FieldType::String, "ID of the organization.").required();
const OWNER: Field = Field::new(
    "owner",
    FieldType::String,
    "Only tokens that this client had made: its entity's name or ID, or its display name.",
);
const ROLE: Field =
    Field::new("role", FieldType::String, "Only tokens of this role; of static tokens, the static role.");
const KIND: Field = Field::new(
    "kind",
    FieldType::CommaStringSlice,
    "Only tokens of these kinds: `standard`, `sidecar`, `creds`, `static` or `admin`.",
);
const METADATA: Field = Field::new(
    "metadata",
    FieldType::KvPairs,
    "Only tokens with this metadata, as `metadata.<key>=<value>` for each key; an empty value takes tokens without the key.",
)
.by_key();
const UNUSED_FOR: Field = Field::new(
    "unused_for",
    FieldType::DurationSecond,
    "Only tokens that nobody made, read or renewed for so long; never an admin token, which the mount itself uses.",
);
const EXPIRES_WITHIN: Field = Field::new(
    "expires_within",
    FieldType::DurationSecond,
    "Only tokens that end within this time, with their lease or by Astra.",
);
const REACHES: Field = Field::new(
    "reaches",
    FieldType::String,
    "Only tokens that reach this: the ID of a database, `db:`, `keyspace:`, `table:`, `stream:` or `role:` with a name, a \
     resource (`drn:…`), or the name or ID of an Astra role. A token whose Astra roles the mount does not know is shown, \
     too, with `reach` `unknown`: run `sync-roles`.",
);
const SORT: Field = Field::new(
    "sort",
    FieldType::String,
    "`made`, `last_read`, `last_use`, `expires`, `owner` or `role`, with a `-` before it for the largest first; tokens \
     without the value come last. Empty = by organization and client ID, which is the only order for more tokens than one \
     request may read.",
);
const SUMMARY: Field = Field::new(
    "summary",
    FieldType::Bool,
    "Answer counts instead of tokens. Where `next` is not null, ask again with it as `after`, and add up.",
)
.or("false");
const AFTER: Field = Field::new("after", FieldType::String, "`next` of the page before. Empty = from the first.");
const LIMIT: Field =
    Field::new("limit", FieldType::Int64, "How many tokens a page has at the most: 1 to 1000; 0 = 1000.");

const ANSWER_FIELDS: &[Field] = &[
    Field::new(
        "tokens",
        FieldType::Slice,
        "The tokens: `org_id`, `client_id`, `kind`, `role`, `role_ids`, `astra_roles` (their names; the ID where the name \
         is not known), `logical_name`, `metadata`, `owner`, `created_by` (`display_name`, `entity_id`, `entity_name`), \
         `made`, `last_read`, `reads`, `last_renewed`, `renewals`, `last_use`, `expires` (when its lease ends unless it is \
         renewed), `expires_at` (when Astra ends it), and with `reaches` also `reach`: `yes` or `unknown`. `reads` and \
         `renewals` count among the latest 100 events. Not with `summary`.",
    ),
    Field::new(
        "organizations",
        FieldType::Map,
        "Of each organization on the page `logical_name` and `record_reads`. Not with `summary`.",
    ),
    Field::new(
        "astra_roles",
        FieldType::Map,
        "By organization and Astra role ID, what the mount knows of the Astra roles on the page: `id`, `name`, `resources`, \
         `resources_left_out`, `seen_at`. Not with `summary`.",
    ),
    Field::new("summary", FieldType::Map, SUMMARY_ANSWER),
    Field::new("next", FieldType::String, "The `after` of the next request; null = there are no more tokens."),
];

const SUMMARY_ANSWER: &str = "With `summary`, how many tokens there are: `tokens`, `by_organization`, `by_role`, `by_kind`, \
    `by_owner`, `by_metadata` (each `<key>=<value>`), and in bands `by_age`, `by_last_use` and `by_expiry`: lists of \
    `up_to` and `tokens`, at the end `more` and `none` (no such time). A count has at most 2000 names; further tokens are \
    counted under `(others)`.";

fn read_all(context: &Context<'_>, data: &FieldData) -> Outcome {
    let mut org_ids = record::org_ids(context.storage())?;
    org_ids.sort_by_cached_key(|org_id| segment(org_id.as_str()));
    answer(context, data, org_ids).map(Some)
}

fn read_org(context: &Context<'_>, data: &FieldData) -> Outcome {
    // Also of an organization whose config was deleted while tokens lived.
    let target = target::in_path(context, data)?;
    if target.config.is_none() && record::index_slice(context, &target.org_id, "", 1)?.names.is_empty() {
        return Ok(None);
    }
    answer(context, data, vec![target.org_id]).map(Some)
}

fn answer(context: &Context<'_>, data: &FieldData, org_ids: Vec<OrgId>) -> Result<Response, Error> {
    let order = Order::parse(data.text("sort").unwrap_or_default())?;
    let is_summary = data.bool("summary").unwrap_or(false);
    if is_summary && data.text("sort").is_some_and(|sort| !sort.is_empty()) {
        return Err(Error::mistake(
            "`sort` has no effect with `summary`, which counts all tokens: leave one of them out",
        ));
    }
    let question = Question {
        org_ids,
        filter: Filter::parse(data)?,
        after: order.place_of_text(data.text("after").unwrap_or_default())?,
        order,
        limit: limit(data)?,
    };
    if is_summary {
        return with_warnings(report::summary(context, &question)?);
    }
    with_warnings(report::page(context, &question)?)
}

fn limit(data: &FieldData) -> Result<usize, NameError> {
    match data.int("limit").unwrap_or_default() {
        0 => Ok(REPORT_PAGE_MAX),
        limit => match usize::try_from(limit) {
            Ok(limit @ 1..=REPORT_PAGE_MAX) => Ok(limit),
            _ => Err(NameError::new(
                "limit",
                &limit.to_string(),
                &format!("must be between 1 and {REPORT_PAGE_MAX}: read further tokens by `after`"),
            )),
        },
    }
}

fn with_warnings(answered: Answered<impl Serialize>) -> Result<Response, Error> {
    let Answered { data, warnings } = answered;
    Ok(Response { warnings, ..Response::json(&data)? })
}

#[cfg(test)]
mod tests;
