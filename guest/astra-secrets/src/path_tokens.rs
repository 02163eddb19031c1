//! `tokens/:org` and `tokens/:org/:client_id`: what this mount knows of the
//! tokens it made, and an end to one of them. Never a secret.

mod shown;

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};

use crate::astra_role;
use crate::ending::{Patience, Target, end_token};
use crate::events;
use crate::history::{self, End, Facts};
use crate::in_use;
use crate::names::{ClientId, OrgId};
use crate::page::{AFTER, LIMIT, Page};
use crate::path_config::target;
use crate::path_org_token::list_answer;
use crate::record;
use crate::who::Who;

use shown::{Info, READ_FIELDS, Shown};

/// `tokens/:org`.
pub(crate) const TOKENS_ORG: Path = Path {
    pattern: &[Segment::Literal("tokens"), Segment::Capture("org")],
    list: true,
    fields: &[Field::new("org", FieldType::String, "ID of the organization.").required(), AFTER, LIMIT],
    operations: &[OperationSpec::new(Operation::List, list, "List the organization's tokens.").answering(&[
        Field::new("keys", FieldType::CommaStringSlice, "Client IDs."),
        Field::new("key_info", FieldType::Map, "By client ID: `role`, `logical_name`, `owner`, `made`, `expires`."),
    ])],
    existence_check: None,
    synopsis: "List the tokens that this mount made for an organization.",
    description: "The keys are client IDs; `key_info` says what each is for and who had it made. Nothing secret is \
        shown. With `limit` a list is read in pages, each of which costs the same however many tokens there are: the \
        next page comes `after` the last key of the one before, and an empty one is the end. Tokens that have ended \
        are not listed; read one by its client ID.",
};

/// `tokens/:org/:client_id`.
pub(crate) const TOKENS_ORG_CLIENT: Path = Path {
    pattern: &[Segment::Literal("tokens"), Segment::Capture("org"), Segment::Capture("client_id")],
    list: false,
    fields: &[
        Field::new("org", FieldType::String, "ID of the organization.").required(),
        Field::new("client_id", FieldType::String, "Client ID of the token; case matters.").required(),
    ],
    operations: &[
        OperationSpec::new(Operation::Read, read, "Read what is known of a token.").answering(READ_FIELDS),
        OperationSpec::new(Operation::Delete, delete, "Revoke a token."),
    ],
    existence_check: None,
    synopsis: "Read what is known of a token that this mount made, or revoke it.",
    description: "A read shows what a token is for, who had it made, and its history: what happened to it, when, and \
        as far as the server told by whom; the oldest of more than 100 events are dropped. It never shows the secret. \
        A token that has ended is shown for 90 days more, with `ended`. A delete revokes the token in Astra and ends \
        its record; its lease may then be revoked, too, or left to end.",
};

fn list(context: &Context<'_>, data: &FieldData) -> Outcome {
    // Also of an organization whose config was deleted while tokens lived.
    let org_id = target::in_path(context, data)?.org_id;
    list_answer(&record::in_org(context, &org_id, &Page::of(data))?, Info::of)
}

fn read(context: &Context<'_>, data: &FieldData) -> Outcome {
    let org_id = target::in_path(context, data)?.org_id;
    let client_id = &ClientId::stored(data.text("client_id").unwrap_or_default());
    let mut record = record::find_indexed(context, &org_id, client_id)?;
    // Read after the record, which goes when the token ends.
    let mut ended = match record {
        Some(_) => None,
        None => history::load(context, &org_id, client_id)?.filter(|history| history.ended.is_some()),
    };
    if record.is_none() && ended.is_none() {
        // Only a token that has not ended is looked for among what is not in the index yet.
        record = record::find(context, &org_id, client_id)?;
    }
    if record.is_none() && ended.is_none() {
        refuse_unreadable(context, &org_id, client_id, "so it cannot be shown")?;
    }
    let (history, key) = match (&mut record, &mut ended) {
        (Some(record), _) => (&mut record.history, record.id.key()),
        (None, Some(history)) => (history, history::key(&org_id, client_id)),
        (None, None) => return Ok(None),
    };
    let warning = history.warning(client_id, &key);
    history.add(record::waiting_reads(context, &org_id, client_id)?);
    let events = std::mem::take(&mut history.events);
    let known_roles = |facts: &Facts| astra_role::known(context, &org_id, facts.role_ids.iter().map(String::as_str));
    let answer = match (record, ended.and_then(|history| history.ended)) {
        (Some(record), _) => {
            let facts = record.facts();
            Response::json(&Shown::live(&org_id, client_id, &facts, events).joined(known_roles(&facts)))?
        }
        (None, Some(ended)) => {
            let known = known_roles(&ended.facts);
            Response::json(&Shown::ended(&org_id, client_id, &ended, events).joined(known))?
        }
        (None, None) => return Ok(None),
    };
    Ok(Some(warning.into_iter().fold(answer, Response::warn)))
}

fn delete(context: &Context<'_>, data: &FieldData) -> Outcome {
    let org_id = target::in_path(context, data)?.org_id;
    let client_id = ClientId::stored(data.text("client_id").unwrap_or_default());
    let Some(found) = record::find(context, &org_id, &client_id)? else {
        refuse_unreadable(context, &org_id, &client_id, "so it was not revoked")?;
        // Without a record it is not one of ours, and not ours to revoke.
        return Ok(None);
    };
    let _guard = record::lock(context, &found.id)?;
    // Again, now that nobody else changes it.
    let current = record::load(context, &found.id)?.filter(|record| record.client_id == found.client_id);
    let Some(record) = current else { return Ok(None) };
    in_use::refuse_if_held(context, &record)?;
    record::prove_writable(context, &record)?;
    end_token(context, &Target::of(&record, End::Deleted, Patience::Caller))?;
    let fields = [("org", org_id.as_str()), ("client_id", &record.client_id)];
    Who::of(context.request).log(context, &events::TOKEN_DELETED, &fields);
    Ok(None)
}

/// A token whose record cannot be read is this mount's all the same: success, or "not found", would be false.
fn refuse_unreadable(context: &Context<'_>, org_id: &OrgId, client_id: &ClientId, what: &str) -> Result<(), Error> {
    match record::unreadable(context, org_id, client_id)? {
        None => Ok(()),
        Some(error) => Err(Error::Internal(format!(
            "{error}: it is that of token `{client_id}` of organization `{org_id}`, {what}; revoke its lease, or delete \
             the token in Astra's portal"
        ))),
    }
}

#[cfg(test)]
mod tests;
