//! A record as JSON in storage: the Go plugin's fields and ours. The only
//! place where a token's secret is written.

use std::collections::BTreeMap;

use secrets_framework::host::StorageEntry;
use secrets_framework::{Error, Sensitive};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroize;

use super::{Record, RecordId, TokenKind, TokenSecrets};
use crate::config::Origin;
use crate::history::History;
use crate::names::{ClientId, OrgId, RoleName, TokenLogicalName};
use crate::who::Who;

/// The Go plugin wrote each field, `null` for an empty list or map.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    client_id: ClientId,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    secret: String,
    org_id: String,
    #[serde(default, deserialize_with = "or_default")]
    role_name: String,
    #[serde(default, deserialize_with = "or_default")]
    roles: Vec<String>,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    token: String,
    #[serde(default, deserialize_with = "or_default")]
    generated_on: String,
    #[serde(default, deserialize_with = "or_default")]
    logical_name: String,
    #[serde(default, deserialize_with = "or_default")]
    metadata: BTreeMap<String, String>,
    // Ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    mark: String,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(default, deserialize_with = "or_default")]
    created_by: Who,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease_end: Option<u64>,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    ends: bool,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    history: Value,
    #[serde(flatten)]
    other: Map<String, Value>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.token.zeroize();
    }
}

/// A record's storage entry, seal-wrapped.
pub(super) fn encode(record: &Record) -> Result<StorageEntry, Error> {
    let secrets = record.secrets.as_ref();
    let stored = Stored {
        client_id: record.client_id.clone(),
        secret: secrets.map(|secrets| secrets.secret.expose().clone()).unwrap_or_default(),
        org_id: record.org_id.as_str().to_owned(),
        role_name: record.role_name.as_str().to_owned(),
        roles: record.role_ids.clone(),
        token: secrets.map(|secrets| secrets.token.expose().clone()).unwrap_or_default(),
        generated_on: record.generated_on.clone(),
        logical_name: record.logical_name_text().to_owned(),
        metadata: record.metadata.clone(),
        expires_at: record.expires_at.clone(),
        origin: record.origin.as_ref().map(|origin| origin.as_str().to_owned()),
        mark: record.mark.clone(),
        kind: record.kind.as_str().to_owned(),
        created_by: record.created_by.clone(),
        made: record.made,
        lease_end: record.lease_end,
        ends: record.ends,
        history: record.history.to_value(),
        other: record.other.clone(),
    };
    Ok(StorageEntry::json(record.id.key(), &stored)?.sealed())
}

/// A record from its storage entry.
pub(crate) fn decode(entry: &StorageEntry, id: &RecordId) -> Result<Record, Error> {
    // serde's own message may quote the value, and that may be secret.
    let mut stored: Stored = serde_json::from_slice(&entry.value)
        .map_err(|_| Error::Internal(format!("the token's record `{}` is not readable", id.key())))?;
    let secrets = (!stored.token.is_empty()).then(|| TokenSecrets {
        secret: Sensitive::new(std::mem::take(&mut stored.secret)),
        token: Sensitive::new(std::mem::take(&mut stored.token)),
    });
    Ok(Record {
        id: id.clone(),
        client_id: std::mem::take(&mut stored.client_id),
        org_id: OrgId::stored(std::mem::take(&mut stored.org_id)),
        role_name: RoleName::stored(std::mem::take(&mut stored.role_name)),
        role_ids: std::mem::take(&mut stored.roles),
        logical_name: (!stored.logical_name.is_empty())
            .then(|| TokenLogicalName::stored(std::mem::take(&mut stored.logical_name))),
        metadata: std::mem::take(&mut stored.metadata),
        generated_on: std::mem::take(&mut stored.generated_on),
        expires_at: stored.expires_at.take(),
        secrets,
        origin: stored.origin.take().map(Origin::stored),
        mark: std::mem::take(&mut stored.mark),
        kind: kind(&stored.kind),
        created_by: std::mem::take(&mut stored.created_by),
        made: stored.made,
        lease_end: stored.lease_end,
        ends: stored.ends,
        history: History::in_record(std::mem::take(&mut stored.history)),
        other: std::mem::take(&mut stored.other),
    })
}

/// What a count needs of a record.
pub(super) struct Brief {
    pub(super) client_id: ClientId,
    pub(super) org_id: String,
    pub(super) role_name: String,
    pub(super) kind: TokenKind,
}

/// The few fields of a record that a count needs; none of an entry that is no record.
pub(super) fn brief(entry: &StorageEntry) -> Option<Brief> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Fields {
        client_id: ClientId,
        org_id: String,
        #[serde(default, deserialize_with = "or_default")]
        role_name: String,
        #[serde(default, deserialize_with = "or_default")]
        kind: String,
    }
    let Fields { client_id, org_id, role_name, kind: word } = serde_json::from_slice(&entry.value).ok()?;
    Some(Brief { client_id, org_id, role_name, kind: kind(&word) })
}

fn kind(word: &str) -> TokenKind {
    match word {
        "sidecar" => TokenKind::Sidecar,
        "creds" => TokenKind::Creds,
        "static" => TokenKind::Static,
        "admin" => TokenKind::Admin,
        _ => TokenKind::Standard,
    }
}

/// `null` counts as absent.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
