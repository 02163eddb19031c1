//! `tidy`: compares what this mount knows with what Astra lists, and puts
//! right what differs. The work is `tidy`'s; here it is asked for and told.

mod report;

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Segment,
};

use crate::config;
use crate::names::{OrgId, shown};
use crate::tidy::{self, Order, Pace};

use report::TidyAnswer;

/// `tidy`.
pub(crate) const TIDY: Path = Path {
    pattern: &[Segment::Literal("tidy")],
    list: false,
    fields: &[DRY_RUN, ORG_ID],
    operations: &[
        OperationSpec::new(
            Operation::Update,
            update,
            "Compare records with Astra's tokens, and put right what differs.",
        )
        .answering(ANSWER_FIELDS),
        OperationSpec::new(Operation::Read, read, "Read the last result.").answering(ANSWER_FIELDS),
    ],
    existence_check: None,
    synopsis: "Find and remove tokens that nobody needs any more, and records whose token has gone.",
    description: "A write compares what this mount knows of its tokens with what Astra lists, for each organization. By \
        default it only tells; with `dry_run=false` it deletes orphans in Astra, forgets records whose token has gone, \
        and ends tokens whose lease has ended. It never touches a token without this mount's mark \
        (`vault-mark:<backend UUID>:...` at the end of its description), one that is still in the making, one younger \
        than the registration's `--wal-min-age`, one in the grace period of a rotation, or one that a config or a static \
        role holds. An organization that fails is told in `failed`, and the others are tidied all the same. The work of \
        one call is bounded: `complete` says whether all was done, else write the same again, and it goes on where this one \
        stopped. The token of a static role that is dead in Astra is replaced. One tidy runs at a time in a mount. \
        The config's `tidy_period` does it by schedule. Do not run it with `dry_run=false` on a copy of the server's \
        storage, such as a restored snapshot: tokens made since would pass for orphans. This path reaches every \
        organization: a policy for one of them must not allow it.",
};

const DRY_RUN: Field =
    Field::new("dry_run", FieldType::Bool, "Answer what would be done, and change nothing.").or("true");

const ORG_ID: Field = Field::new(
    "org_id",
    FieldType::String,
    "ID or logical name of the one organization to tidy or to read of; left out = all.",
);

/// What it answers.
const ANSWER_FIELDS: &[Field] = &[
    Field::new(
        "orphans",
        FieldType::CommaStringSlice,
        "Client IDs of tokens in Astra with this mount's mark and no record.",
    ),
    Field::new(
        "gone",
        FieldType::CommaStringSlice,
        "Client IDs of records whose token Astra's list of the organization lacks.",
    ),
    Field::new("expired", FieldType::CommaStringSlice, "Client IDs of records whose lease, or whose token, has ended."),
    Field::new("warnings", FieldType::CommaStringSlice, "Client IDs of admin tokens that are near their expiry."),
    Field::new(
        "removed",
        FieldType::CommaStringSlice,
        "Client IDs of those of `orphans`, `gone` and `expired` that were removed.",
    ),
    Field::new("messages", FieldType::CommaStringSlice, "What an operator should know, as sentences."),
    Field::new("failed", FieldType::Map, "By organization, why it could not be tidied, or not as a whole."),
    Field::new(
        "organizations",
        FieldType::Map,
        "By organization, its last result: `at`, `dry_run`, `scheduled`, `complete`.",
    ),
    Field::new(
        "complete",
        FieldType::Bool,
        "Was everything looked at, and all done that was to be done? Else write again to go on.",
    ),
    Field::new("dry_run", FieldType::Bool, "Was nothing changed?"),
    Field::new("began", FieldType::String, "When it began."),
    Field::new("ended", FieldType::String, "When it ended; `null` = it has not, or it was cut off."),
];

fn update(context: &Context<'_>, data: &FieldData) -> Outcome {
    let org_id = known_org(context, data)?;
    let order = Order { org_id, dry_run: data.bool("dry_run").unwrap_or(true), pace: Pace::ByHand };
    let tidied = tidy::tidy(context, &order)?;
    match tidied.failure {
        Some(error) => Err(error),
        None => TidyAnswer::of(&tidied.run, &tidied.results).answer(),
    }
}

fn read(context: &Context<'_>, data: &FieldData) -> Outcome {
    let Some(run) = tidy::load_run(context)? else { return Ok(None) };
    let mut results = tidy::results(context)?;
    if let Some(wanted) = named_org(context, data)? {
        results.retain(|org_id, _| *org_id == wanted);
        if results.is_empty() {
            return Ok(None);
        }
    }
    TidyAnswer::of(&run, &results).answer()
}

/// The organization that is named; none = all.
fn named_org(context: &Context<'_>, data: &FieldData) -> Result<Option<OrgId>, Error> {
    if !data.is_set("org_id") {
        return Ok(None);
    }
    let text = data.text("org_id").unwrap_or_default();
    if text.is_empty() {
        // What was meant to name one must not stand for all.
        return Err(Error::mistake("`org_id` is empty: name an organization, or leave it out for all"));
    }
    Ok(Some(config::find(context, text)?.map_or_else(|| OrgId::stored(text), |config| config.org_id)))
}

/// As [`named_org`]; it must be configured, or have left tokens behind.
fn known_org(context: &Context<'_>, data: &FieldData) -> Result<Option<OrgId>, Error> {
    let Some(org_id) = named_org(context, data)? else { return Ok(None) };
    let is_known = config::load(context, &org_id)?.is_some() || config::has_retired(context, &org_id)?;
    if is_known {
        return Ok(Some(org_id));
    }
    Err(Error::mistake(format!(
        "`org_id` is {}: no such organization is configured, list `configs` for those that are",
        shown(org_id.as_str())
    )))
}

#[cfg(test)]
mod tests;
