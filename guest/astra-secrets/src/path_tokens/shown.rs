//! What lists and reads show of a token, live or ended.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use secrets_framework::{Field, FieldType};
use serde::Serialize;

use crate::astra_role::{self, KnownRole};
use crate::history::{Ended, Facts, Happened};
use crate::names::OrgId;
use crate::record::Record;
use crate::time_text;
use crate::who::Who;

/// The fields of [`Shown`], for OpenAPI.
pub(super) const READ_FIELDS: &[Field] = &[
    Field::new("client_id", FieldType::String, "Client ID of the token in Astra."),
    Field::new("org_id", FieldType::String, "ID of its organization."),
    Field::new("role", FieldType::String, "Role it was made for; of a static token, the static role."),
    Field::new("role_ids", FieldType::CommaStringSlice, "Its Astra roles."),
    astra_role::FIELD,
    Field::new("logical_name", FieldType::String, "Its logical name; empty where it has none."),
    Field::new("metadata", FieldType::KvPairs, "What the client noted about it."),
    Field::new(
        "created_by",
        FieldType::Map,
        "Who had it made: `display_name`, `entity_id`, `entity_name`, `accessor`.",
    ),
    Field::new("made", FieldType::String, "When it was made."),
    Field::new("expires", FieldType::String, "When its lease ends unless it is renewed."),
    Field::new("expires_at", FieldType::String, "When Astra ends it, where Astra says so."),
    Field::new("kind", FieldType::String, "How it was made: `standard`, `sidecar`, `creds`, `static` or `admin`."),
    Field::new("ended", FieldType::String, "When it ended; only of a token that did."),
    Field::new(
        "ended_how",
        FieldType::String,
        "How it ended: `revoked`, `deleted`, `lease-ended` (nobody revoked it in time), `rotated`, `tidied` or \
            `undone` (its making failed); only of a token that did.",
    ),
    Field::new(
        "found_in",
        FieldType::String,
        "The other organization in which it was found and ended; only of a token of the Go plugin that its own one did \
            not list.",
    ),
    Field::new(
        "not_asked",
        FieldType::CommaStringSlice,
        "Other organizations that could not be asked for it; only of such a token that was found nowhere within 24 hours.",
    ),
    Field::new(
        "history",
        FieldType::Slice,
        "What happened to it, the oldest first: `time`, `event` (`mint`, `read`, `renew`, `rotate`, `revoke`), and as \
            far as the server told it `display_name`, `entity_id`, `accessor`, `request_id`, `remote_address`.",
    ),
];

/// What a list shows of a token.
#[derive(Serialize)]
pub(super) struct Info<'a> {
    role: &'a str,
    logical_name: &'a str,
    owner: &'a str,
    made: Option<String>,
    expires: Option<String>,
}

impl<'a> Info<'a> {
    /// Of a live token.
    pub(super) fn of(record: &'a Record) -> Self {
        Self {
            role: record.role_name.as_str(),
            logical_name: record.logical_name_text(),
            owner: &record.created_by.display_name,
            made: made(record.made, &record.generated_on),
            expires: text(record.lease_end),
        }
    }
}

/// What a read shows of a token.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    client_id: &'a str,
    org_id: &'a str,
    role: &'a str,
    role_ids: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    astra_roles: Vec<KnownRole>,
    logical_name: &'a str,
    metadata: &'a BTreeMap<String, String>,
    created_by: ShownCreator<'a>,
    made: Option<String>,
    expires: Option<String>,
    expires_at: Option<&'a str>,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_how: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    found_in: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    not_asked: &'a [String],
    history: Vec<ShownEvent>,
}

#[derive(Serialize)]
struct ShownCreator<'a> {
    display_name: &'a str,
    entity_id: &'a str,
    entity_name: &'a str,
    accessor: &'a str,
}

#[derive(Serialize)]
struct ShownEvent {
    time: Option<String>,
    event: Cow<'static, str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    display_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    entity_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    accessor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    request_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    remote_address: String,
}

impl<'a> Shown<'a> {
    /// A live token, by the facts of its record.
    pub(super) fn live(org_id: &'a OrgId, client_id: &'a str, facts: &'a Facts, events: Vec<Happened>) -> Self {
        let by = &facts.created_by;
        Self {
            client_id,
            org_id: org_id.as_str(),
            role: &facts.role_name,
            role_ids: &facts.role_ids,
            astra_roles: Vec::new(),
            logical_name: &facts.logical_name,
            metadata: &facts.metadata,
            created_by: ShownCreator {
                display_name: &by.display_name,
                entity_id: &by.entity_id,
                entity_name: &by.entity_name,
                accessor: &by.accessor,
            },
            made: made(facts.made, &facts.generated_on),
            // Unknown for tokens of the Go plugin until a renewal.
            expires: text(facts.lease_end),
            expires_at: facts.expires_at.as_deref(),
            kind: &facts.kind,
            ended: None,
            ended_how: None,
            found_in: None,
            not_asked: &[],
            history: facts.mint().into_iter().chain(events).map(ShownEvent::of).collect(),
        }
    }

    /// The same with what is known of the Astra roles.
    pub(super) fn joined(self, astra_roles: Vec<KnownRole>) -> Self {
        Self { astra_roles, ..self }
    }

    /// A token that has ended.
    pub(super) fn ended(org_id: &'a OrgId, client_id: &'a str, ended: &'a Ended, events: Vec<Happened>) -> Self {
        Self {
            ended: time_text::format(Duration::from_secs(ended.at)),
            ended_how: Some(&ended.how),
            found_in: ended.whereabouts.found_in.as_deref(),
            not_asked: &ended.whereabouts.not_asked,
            ..Self::live(org_id, client_id, &ended.facts, events)
        }
    }
}

impl ShownEvent {
    fn of(happened: Happened) -> Self {
        let Happened { at, event, who, .. } = happened;
        let Who { display_name, entity_id, accessor, request_id, remote_address, .. } = who;
        let time = time_text::format(Duration::from_secs(at));
        Self { time, event, display_name, entity_id, accessor, request_id, remote_address }
    }
}

/// The Go plugin noted only Astra's own time.
fn made(seconds: Option<u64>, generated_on: &str) -> Option<String> {
    match seconds {
        None => Some(generated_on.to_owned()).filter(|text| !text.is_empty()),
        seconds => text(seconds),
    }
}

fn text(seconds: Option<u64>) -> Option<String> {
    time_text::format(Duration::from_secs(seconds?))
}
