//! `org/token` and `org/tokens`, the Go plugin's paths. In standard mode many
//! clients share a token by its logical name: one write makes it, reads show it
//! again. In sidecar mode each call makes a token of its own.

use std::collections::BTreeMap;

use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Path, Response, Segment,
};
use serde::Serialize;

use crate::astra_token::{ANSWER_FIELDS, plain_answer};
use crate::config::{CallerMode, OrgConfig};
use crate::error::{Failure, Outcome, answer};
use crate::history;
use crate::lease::lock_token;
use crate::mint::{Order, already_exists, mint};
use crate::names::{RoleName, TokenLogicalName, shown};
use crate::path_config::target;
use crate::record::{self, Cut, Listing, Record, RecordId, TokenKind};
use crate::role::{self, Role};

/// `org/token`.
pub(crate) const ORG_TOKEN: Path = Path {
    pattern: &[Segment::Literal("org"), Segment::Literal("token")],
    list: false,
    fields: &[
        Field::new("org_id", FieldType::String, "ID of the organization, or its logical name.").required(),
        Field::new(
            "role_name",
            FieldType::LowerCaseString,
            "Name of the role; required, but on a read by `client_id`.",
        ),
        Field::new(
            "logical_name",
            FieldType::LowerCaseString,
            "Name of the token within organization and role, by which it can be read again. Ignored in sidecar mode.",
        ),
        Field::new("metadata", FieldType::KvPairs, "What to note about the token, as `key=value` pairs."),
        Field::new(
            "client_id",
            FieldType::String,
            "Client ID of a token to read; case matters. Ignored in sidecar mode.",
        ),
    ],
    operations: &[
        OperationSpec::new(Operation::Update, write, "Make a token of a role.").answering(ANSWER_FIELDS),
        OperationSpec::new(Operation::Read, read, "Read a token that was made before; in sidecar mode, make one.")
            .answering(ANSWER_FIELDS),
    ],
    existence_check: None,
    synopsis: "Make a leased Astra token of a role, or read one again.",
    description: "In standard mode a write makes a token for `org_id`, `role_name` and `logical_name`; the same three \
        again are refused. Without `logical_name` each write makes another token, known by its client ID. A read \
        shows a token that was made before, by those three or by `org_id` and `client_id`, and is logged. In sidecar \
        mode, a setting of the organization's config, each read and each write makes another token, and its secret \
        is kept nowhere.",
};

/// `org/tokens`.
pub(crate) const ORG_TOKENS: Path = Path {
    pattern: &[Segment::Literal("org"), Segment::Literal("tokens")],
    list: true,
    fields: &[],
    operations: &[OperationSpec::new(Operation::List, list, "List the tokens of all organizations.").answering(&[
        Field::new("keys", FieldType::CommaStringSlice, "Client IDs."),
        Field::new("key_info", FieldType::Map, "By client ID: organization, role, logical name, metadata, when made."),
    ])],
    existence_check: None,
    synopsis: "List the tokens that this mount made.",
    description: "The keys are client IDs; `key_info` says what each is for. Nothing secret is shown.",
};

fn write(context: &Context<'_>, data: &FieldData) -> Result<Option<Response>, Error> {
    answer(known_config(context, data).and_then(|config| match config.caller_mode {
        CallerMode::Standard => write_standard(context, data, &config),
        CallerMode::Sidecar => make(context, data, &config, TokenKind::Sidecar, None),
    }))
}

fn read(context: &Context<'_>, data: &FieldData) -> Result<Option<Response>, Error> {
    answer(known_config(context, data).and_then(|config| match config.caller_mode {
        CallerMode::Standard => read_standard(context, data, &config),
        CallerMode::Sidecar => make(context, data, &config, TokenKind::Sidecar, None),
    }))
}

fn list(context: &Context<'_>, _: &FieldData) -> Result<Option<Response>, Error> {
    list_answer(&record::all(context)?, Info::of)
}

/// The answer of a list of tokens; none where there are none.
pub(crate) fn list_answer<'a, T: Serialize>(
    listing: &'a Listing,
    info: impl Fn(&'a Record) -> T,
) -> Result<Option<Response>, Error> {
    if listing.client_ids.is_empty() {
        return Ok(None);
    }
    let infos: BTreeMap<&str, T> =
        listing.records.iter().map(|record| (record.client_id.as_str(), info(record))).collect();
    let described = infos.len();
    let mut response = Response::json(&ListAnswer { keys: &listing.client_ids, key_info: infos })?;
    if described < listing.client_ids.len() {
        response = response.warn(format!(
            "there are more tokens than one list describes: `key_info` has {described} of them; list `tokens/<org>` in pages by `limit` and `after`, or read one by its client ID"
        ));
    }
    Ok(Some(match listing.cut {
        Some(Cut::Long) => response.warn(
            "there are more tokens than one list holds: list `tokens/<org>` in pages by `limit` and `after`",
        ),
        Some(Cut::NotFilled) => response.warn(
            "there are more tokens than this list shows: the tokens of the Go plugin are still being indexed, some with each minute",
        ),
        None => response,
    }))
}

/// Written as it is, for it may be long: an object of all of it would take its memory twice.
#[derive(Serialize)]
struct ListAnswer<'a, T> {
    keys: &'a [String],
    key_info: BTreeMap<&'a str, T>,
}

fn write_standard(context: &Context<'_>, data: &FieldData, config: &OrgConfig) -> Outcome {
    let text = data.text("logical_name").unwrap_or_default();
    if text.is_empty() {
        return make(context, data, config, TokenKind::Standard, None);
    }
    let name = TokenLogicalName::parse(text)?;
    let role = known_role(context, data, config)?;
    let id = RecordId::named(&config.org_id, &role.name, name.as_str());
    // Held until the token is stored: of two writers, the second finds it.
    let _guard = lock_token(context, &id)?;
    if let Some(record) = record::load(context, &id)? {
        return Err(already_exists(&record));
    }
    order(context, data, config, &role, TokenKind::Standard, Some(&name))
}

fn read_standard(context: &Context<'_>, data: &FieldData, config: &OrgConfig) -> Outcome {
    let client_id = data.text("client_id").unwrap_or_default();
    let record = if client_id.is_empty() {
        record::load(context, &named_id(data, config)?)?
    } else {
        record::find(context, &config.org_id, client_id)?
    };
    let Some(record) = record else { return Ok(None) };
    if record.kind == TokenKind::Static {
        // It has a path of its own, for policies.
        return Err(Failure::mistake(format!(
            "the token `{}` is the static role `{}`'s: read `static-creds/{}/{}`",
            record.client_id, record.role_name, record.org_id, record.role_name
        )));
    }
    if record.kind == TokenKind::Admin {
        return Err(Failure::mistake(format!(
            "the token `{}` is or was the admin token of organization `{}`, which is shown to nobody: make a token of a role",
            record.client_id, record.org_id
        )));
    }
    let Some(secrets) = &record.secrets else {
        return Err(Failure::mistake(format!(
            "the secret of the token `{}` was shown when it was made and is kept nowhere: ask for a new token",
            record.client_id
        )));
    };
    if !history::note_read(context, config.record_reads, &record)? {
        return Ok(None);
    }
    Ok(Some(plain_answer(&record, secrets)?))
}

/// The ID of the record that a read names by the three.
fn named_id(data: &FieldData, config: &OrgConfig) -> Result<RecordId, Failure> {
    match (data.text("role_name").unwrap_or_default(), data.text("logical_name").unwrap_or_default()) {
        ("", _) => {
            Err(Failure::mistake("missing `role_name`: give it with `logical_name`, or give the token's `client_id`"))
        }
        (_, "") => {
            Err(Failure::mistake("missing `logical_name`: give it with `role_name`, or give the token's `client_id`"))
        }
        (role, name) => Ok(RecordId::named(&config.org_id, &RoleName::stored(role), name)),
    }
}

fn make(
    context: &Context<'_>,
    data: &FieldData,
    config: &OrgConfig,
    kind: TokenKind,
    name: Option<&TokenLogicalName>,
) -> Outcome {
    let role = known_role(context, data, config)?;
    order(context, data, config, &role, kind, name)
}

fn order(
    context: &Context<'_>,
    data: &FieldData,
    config: &OrgConfig,
    role: &Role,
    kind: TokenKind,
    logical_name: Option<&TokenLogicalName>,
) -> Outcome {
    let metadata = data.pairs("metadata").cloned().unwrap_or_default();
    mint(context, &Order { config, role, kind, logical_name, metadata, ttl: None }).map(Some)
}

fn known_config(context: &Context<'_>, data: &FieldData) -> Result<OrgConfig, Failure> {
    let target = target::in_body(context, data)?;
    target.config.ok_or_else(|| unknown_org("org_id", target.org_id.as_str()))
}

fn known_role(context: &Context<'_>, data: &FieldData, config: &OrgConfig) -> Result<Role, Failure> {
    let name = data.text("role_name").unwrap_or_default();
    if name.is_empty() {
        return Err(Failure::mistake("missing `role_name`: give the name of a role of the organization"));
    }
    let role = role::load(context, &config.org_id, &RoleName::stored(name))?;
    role.ok_or_else(|| unknown_role("role_name", config, name))
}

/// What a request for an unknown organization is told.
pub(crate) fn unknown_org(field: &str, value: &str) -> Failure {
    Failure::mistake(format!(
        "`{field}` is {}: no such organization is configured: write its config first",
        shown(value)
    ))
}

/// What a request for an unknown role is told.
pub(crate) fn unknown_role(field: &str, config: &OrgConfig, value: &str) -> Failure {
    Failure::mistake(format!(
        "`{field}` is {}: organization `{}` has no such role: write it first, or import Astra's roles by `sync-roles`",
        shown(value),
        config.org_id
    ))
}

/// What a list shows of a token, under the Go plugin's names.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    client_id: &'a str,
    org_id: &'a str,
    role_name: &'a str,
    logical_name: &'a str,
    generated_on: &'a str,
    metadata: &'a BTreeMap<String, String>,
}

impl<'a> Info<'a> {
    fn of(record: &'a Record) -> Self {
        Self {
            client_id: &record.client_id,
            org_id: record.org_id.as_str(),
            role_name: record.role_name.as_str(),
            logical_name: &record.logical_name,
            generated_on: &record.generated_on,
            metadata: &record.metadata,
        }
    }
}

#[cfg(test)]
mod tests;
