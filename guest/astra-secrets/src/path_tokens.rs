//! `tokens/:org` and `tokens/:org/:client_id`: what this mount knows of the
//! tokens it made, and an end to one of them. Never a secret.

use std::collections::BTreeMap;
use std::time::Duration;

use secrets_framework::host::LogLevel;
use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Path, Response, Segment,
};
use serde::Serialize;

use crate::astra_token::{Patience, Target, end_token};
use crate::error::{Outcome, answer};
use crate::lease::lock_token;
use crate::names::OrgId;
use crate::path_config::target;
use crate::path_org_token::list_answer;
use crate::record::{self, Record};
use crate::time_text;

/// `tokens/:org`.
pub(crate) const TOKENS_ORG: Path = Path {
    pattern: &[Segment::Literal("tokens"), Segment::Capture("org")],
    list: true,
    fields: &[Field::new("org", FieldType::String, "ID of the organization.").required()],
    operations: &[OperationSpec::new(Operation::List, list, "List the organization's tokens.").answering(&[
        Field::new("keys", FieldType::CommaStringSlice, "Client IDs."),
        Field::new("key_info", FieldType::Map, "By client ID: `role`, `logical_name`, `owner`, `made`, `expires`."),
    ])],
    existence_check: None,
    synopsis: "List the tokens that this mount made for an organization.",
    description: "The keys are client IDs; `key_info` says what each is for and who had it made. Nothing secret is shown.",
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
        OperationSpec::new(Operation::Delete, delete, "Revoke a token and forget it."),
    ],
    existence_check: None,
    synopsis: "Read what is known of a token that this mount made, or revoke it.",
    description: "A read shows what a token is for and who had it made, never its secret. A delete revokes the token \
        in Astra and removes the record; its lease may then be revoked, too, or left to end.",
};

const READ_FIELDS: &[Field] = &[
    Field::new("client_id", FieldType::String, "Client ID of the token in Astra."),
    Field::new("org_id", FieldType::String, "ID of its organization."),
    Field::new("role", FieldType::String, "Role it was made for."),
    Field::new("role_ids", FieldType::CommaStringSlice, "Its Astra roles."),
    Field::new("logical_name", FieldType::String, "Its logical name; empty where it has none."),
    Field::new("metadata", FieldType::KvPairs, "What the client noted about it."),
    Field::new("created_by", FieldType::Map, "Who had it made: `display_name`, `entity_id`, `accessor`."),
    Field::new("made", FieldType::String, "When it was made."),
    Field::new("expires", FieldType::String, "When its lease ends unless it is renewed."),
    Field::new("expires_at", FieldType::String, "When Astra ends it, where Astra says so."),
    Field::new("kind", FieldType::String, "How it was made: `standard`, `sidecar` or `creds`."),
];

fn list(context: &Context<'_>, data: &FieldData) -> Result<Option<Response>, Error> {
    answer(try_list(context, data))
}

fn read(context: &Context<'_>, data: &FieldData) -> Result<Option<Response>, Error> {
    answer(try_read(context, data))
}

fn delete(context: &Context<'_>, data: &FieldData) -> Result<Option<Response>, Error> {
    answer(try_delete(context, data))
}

fn try_list(context: &Context<'_>, data: &FieldData) -> Outcome {
    // Also of an organization whose config was deleted while tokens lived.
    let org_id = target::in_path(context, data)?.org_id;
    Ok(list_answer(&record::in_org(context, &org_id)?, Info::of)?)
}

fn try_read(context: &Context<'_>, data: &FieldData) -> Outcome {
    let org_id = target::in_path(context, data)?.org_id;
    let record = find(context, data, &org_id)?;
    Ok(record.map(|record| Response::json(&Shown::of(&record))).transpose()?)
}

fn try_delete(context: &Context<'_>, data: &FieldData) -> Outcome {
    let org_id = target::in_path(context, data)?.org_id;
    // Without a record it is not one of ours, and not ours to revoke.
    let Some(found) = find(context, data, &org_id)? else { return Ok(None) };
    let _guard = lock_token(context, &found.id)?;
    // Again, now that nobody else changes it.
    let current = record::load(context, &found.id)?.filter(|record| record.client_id == found.client_id);
    let Some(record) = current else { return Ok(None) };
    record::prove_writable(context, &record)?;
    let target = Target {
        org_id: &org_id,
        client_id: &record.client_id,
        origin: record.origin.as_ref(),
        record: Some(&record),
        patience: Patience::Caller,
    };
    end_token(context, &target)?;
    let identity = &context.request.identity;
    context.host.log().log(
        LogLevel::Info,
        "a token was deleted",
        &[
            ("org", org_id.as_str()),
            ("client_id", &record.client_id),
            ("display_name", &identity.display_name),
            ("entity_id", &identity.entity_id),
            ("request_id", &context.request.id),
        ],
    );
    Ok(None)
}

fn find(context: &Context<'_>, data: &FieldData, org_id: &OrgId) -> Result<Option<Record>, Error> {
    record::find(context, org_id, data.text("client_id").unwrap_or_default())
}

/// What a list shows of a token.
#[derive(Serialize)]
struct Info<'a> {
    role: &'a str,
    logical_name: &'a str,
    owner: &'a str,
    made: Option<String>,
    expires: Option<String>,
}

impl<'a> Info<'a> {
    fn of(record: &'a Record) -> Self {
        Self {
            role: record.role_name.as_str(),
            logical_name: &record.logical_name,
            owner: &record.created_by.display_name,
            made: made(record),
            expires: expires(record),
        }
    }
}

/// What a read shows of a token.
#[derive(Serialize)]
struct Shown<'a> {
    client_id: &'a str,
    org_id: &'a str,
    role: &'a str,
    role_ids: &'a [String],
    logical_name: &'a str,
    metadata: &'a BTreeMap<String, String>,
    created_by: ShownCreatedBy<'a>,
    made: Option<String>,
    expires: Option<String>,
    expires_at: Option<&'a str>,
    kind: &'a str,
}

#[derive(Serialize)]
struct ShownCreatedBy<'a> {
    display_name: &'a str,
    entity_id: &'a str,
    accessor: &'a str,
}

impl<'a> Shown<'a> {
    fn of(record: &'a Record) -> Self {
        let by = &record.created_by;
        Self {
            client_id: &record.client_id,
            org_id: record.org_id.as_str(),
            role: record.role_name.as_str(),
            role_ids: &record.role_ids,
            logical_name: &record.logical_name,
            metadata: &record.metadata,
            created_by: ShownCreatedBy {
                display_name: &by.display_name,
                entity_id: &by.entity_id,
                accessor: &by.accessor,
            },
            made: made(record),
            expires: expires(record),
            expires_at: record.expires_at.as_deref(),
            kind: record.kind.as_str(),
        }
    }
}

/// The Go plugin noted only Astra's own time.
fn made(record: &Record) -> Option<String> {
    match record.made {
        0 => Some(record.generated_on.clone()).filter(|text| !text.is_empty()),
        seconds => time_text::format(Duration::from_secs(seconds)),
    }
}

/// The end of its lease; unknown for tokens of the Go plugin until a renewal.
fn expires(record: &Record) -> Option<String> {
    (record.lease_end != 0).then(|| time_text::format(Duration::from_secs(record.lease_end))).flatten()
}

#[cfg(test)]
mod tests;
