//! The leased secret: its kind, what an answer shows, and what its lease holds
//! so that it can be renewed and revoked when all else has gone.

use std::collections::BTreeMap;
use std::time::Duration;

use secrets_framework::{Error, Field, FieldType, Lease, Response, Secret};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::Origin;
use crate::names::{ClientId, OrgId, RoleName};
use crate::record::{Record, RecordId, TokenKind, TokenSecrets};

/// The kind of secret, by the Go plugin's name for it, so that leases of the Go plugin can be renewed and revoked.
pub(crate) const KIND: &str = "astra_token";

/// The time to live that a client asked for, in seconds, in a lease's internal data.
const ASKED_TTL: &str = "ttl";

/// How long a lease runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LeaseTerms {
    /// Time to live.
    pub(crate) ttl: Duration,
    /// The longest life, renewals included.
    pub(crate) max_ttl: Duration,
    /// When Astra ends the token, as it said or was asked: no renewal passes it.
    pub(crate) expires_at: Option<String>,
    /// The time to live that the client asked for; none = the role's.
    pub(crate) asked_ttl: Option<Duration>,
}

/// What a lease holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// The organization.
    pub(crate) org_id: OrgId,
    /// The token's ID in Astra; the first versions of the Go plugin left it out.
    pub(crate) client_id: Option<ClientId>,
    /// The role it was made for.
    pub(crate) role_name: Option<RoleName>,
    /// The ID of its record.
    pub(crate) record_id: Option<RecordId>,
    /// Where it was made; the Go plugin did not note it.
    pub(crate) origin: Option<Origin>,
    /// When Astra ends it, where that is known.
    pub(crate) expires_at: Option<String>,
    /// The time to live that the client asked for when the token was made.
    pub(crate) asked_ttl: Option<Duration>,
    /// Is its client ID there, and empty? The Go plugin leased what Astra had answered with an error.
    pub(crate) stands_for_nothing: bool,
}

impl Held {
    /// What `lease` holds; none if it does not even name an organization.
    pub(crate) fn of(lease: &Lease) -> Option<Self> {
        let text = |name: &str| {
            let text = lease.internal_data.get(name)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        Some(Self {
            org_id: OrgId::stored(text("orgId")?),
            client_id: text("clientId").map(ClientId::stored),
            role_name: text("roleName").map(RoleName::stored),
            record_id: text("tokenId").map(RecordId::stored),
            origin: text("origin").map(Origin::stored),
            expires_at: text("expiresAt"),
            asked_ttl: lease.internal_data.get(ASKED_TTL).and_then(Value::as_u64).map(Duration::from_secs),
            stands_for_nothing: lease.internal_data.get("clientId").is_some_and(|client_id| client_id == ""),
        })
    }
}

/// What a client gets: the names are the Go plugin's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<'a> {
    client_id: &'a str,
    secret: &'a str,
    token: &'a str,
    org_id: &'a str,
    role_name: &'a str,
    logical_name: &'a str,
    generated_on: &'a str,
    #[serde(flatten)]
    metadata: ShownMetadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<&'a str>,
}

/// A token's metadata in an answer; null where there is none. An agent of OpenBao takes any secret whose `metadata` is a
/// map, be it empty, for a deleted secret of kv-v2 (openbao-template `vault_read.go`, `deletedKVv2`), so only the Go
/// plugin's path has a field of that name.
#[derive(Serialize)]
enum ShownMetadata<'a> {
    #[serde(rename = "metadata")]
    GoPlugins(Option<&'a BTreeMap<String, String>>),
    #[serde(rename = "custom_metadata")]
    Custom(Option<&'a BTreeMap<String, String>>),
}

/// Which path answers, and so by which name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetadataName {
    /// `metadata`, on `org/token`.
    GoPlugins,
    /// `custom_metadata`, on all other paths.
    Custom,
}

impl MetadataName {
    fn show(self, metadata: &BTreeMap<String, String>) -> ShownMetadata<'_> {
        let metadata = Some(metadata).filter(|metadata| !metadata.is_empty());
        match self {
            Self::GoPlugins => ShownMetadata::GoPlugins(metadata),
            Self::Custom => ShownMetadata::Custom(metadata),
        }
    }
}

impl<'a> Answer<'a> {
    /// Of a token that is shown to whoever may have it.
    pub(crate) fn of(record: &'a Record, secrets: &'a TokenSecrets, metadata_name: MetadataName) -> Self {
        Self {
            client_id: &record.client_id,
            secret: secrets.secret.expose(),
            token: secrets.token.expose(),
            org_id: record.org_id.as_str(),
            role_name: record.role_name.as_str(),
            logical_name: record.logical_name_text(),
            generated_on: &record.generated_on,
            metadata: metadata_name.show(&record.metadata),
            expires_at: record.expires_at.as_deref(),
        }
    }
}

/// The answer by which `org/token` shows a token again, without a lease.
pub(crate) fn plain_answer(record: &Record, secrets: &TokenSecrets) -> Result<Response, Error> {
    Response::json(&Answer::of(record, secrets, MetadataName::GoPlugins))
}

/// The answer of a mint.
pub(crate) fn leased_answer(
    record: &Record,
    secrets: &TokenSecrets,
    terms: &LeaseTerms,
    warnings: Vec<String>,
) -> Result<Response, Error> {
    let secret =
        Secret { ttl: terms.ttl, max_ttl: terms.max_ttl, renewable: true, internal_data: internal_data(record, terms) };
    let metadata_name = if record.kind == TokenKind::Creds { MetadataName::Custom } else { MetadataName::GoPlugins };
    let shown = Response::json(&Answer::of(record, secrets, metadata_name))?;
    Ok(Response { warnings, secret: Some(secret.of_kind(KIND)), ..shown })
}

fn internal_data(record: &Record, terms: &LeaseTerms) -> Map<String, Value> {
    let mut data = Map::new();
    let mut put = |name: &str, value: &str| data.insert(name.to_owned(), value.into());
    put("orgId", record.org_id.as_str());
    put("clientId", &record.client_id);
    put("roleName", record.role_name.as_str());
    put("tokenId", record.id.as_str());
    if let Some(origin) = &record.origin {
        put("origin", origin.as_str());
    }
    if let Some(expires_at) = &terms.expires_at {
        put("expiresAt", expires_at);
    }
    if let Some(asked_ttl) = terms.asked_ttl {
        data.insert(ASKED_TTL.to_owned(), asked_ttl.as_secs().into());
    }
    data
}

/// What `org/token` answers, for OpenAPI.
pub(crate) const ORG_TOKEN_ANSWER: &[Field] = &answer_fields("metadata");

/// What `creds/:org/:role` answers, for OpenAPI.
pub(crate) const CREDS_ANSWER: &[Field] = &CREDS_FIELDS;

/// The fields of [`CREDS_ANSWER`], to be joined with others.
pub(crate) const CREDS_FIELDS: [Field; 9] = answer_fields("custom_metadata");

const fn answer_fields(metadata: &'static str) -> [Field; 9] {
    [
        Field::new("clientId", FieldType::String, "Client ID of the token in Astra; case matters."),
        Field::new(
            "secret",
            FieldType::String,
            "Client secret, which CQL drivers take as the password of the client ID.",
        ),
        Field::new("token", FieldType::String, "The token."),
        Field::new("orgId", FieldType::String, "ID of its organization."),
        Field::new("roleName", FieldType::String, "Role it was made for."),
        Field::new("logicalName", FieldType::String, "Its logical name; empty where it has none."),
        Field::new("generatedOn", FieldType::String, "When Astra made it."),
        Field::new(metadata, FieldType::KvPairs, "What the client noted about it; `null` where that is nothing."),
        Field::new("expiresAt", FieldType::String, "When Astra ends it, where Astra says so."),
    ]
}
