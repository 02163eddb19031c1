//! The fields of a role: their rows in the path table, and their parsing into
//! [`Changes`], once for both spellings of the path.

use std::time::Duration;

use secrets_framework::{Field, FieldData, FieldType};

use crate::names::{AstraRoleId, NameError};
use crate::path_config::fields::{MAX_TOKENS, ORG, ORG_ID, parse_description, parse_max_tokens, parse_role_ids, sent};
use crate::role::{Role, TokenExpiry, parse_ttl};

/// What a write changes: only the fields that were sent.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// New Astra roles, at least one.
    pub(super) role_ids: Option<Vec<AstraRoleId>>,
    ttl: Option<Duration>,
    max_ttl: Option<Duration>,
    description: Option<String>,
    token_expiry: Option<TokenExpiry>,
    max_tokens: Option<Option<u32>>,
}

impl Changes {
    /// The changes that a write asks for.
    pub(super) fn parse(data: &FieldData) -> Result<Self, NameError> {
        let seconds = |name: &'static str| {
            sent(data, name, FieldData::seconds).map(|seconds| parse_ttl(name, seconds)).transpose()
        };
        Ok(Self {
            role_ids: parse_roles(sent(data, "role_id", FieldData::text), sent(data, "role_ids", FieldData::strings))?,
            ttl: seconds("ttl")?,
            max_ttl: seconds("max_ttl")?,
            description: sent(data, "description", FieldData::text).map(parse_description).transpose()?,
            token_expiry: sent(data, "token_expiry", FieldData::text).map(parse_token_expiry).transpose()?,
            max_tokens: sent(data, "max_tokens", FieldData::int).map(parse_max_tokens).transpose()?,
        })
    }

    /// Makes the changes.
    pub(super) fn apply(self, role: &mut Role) {
        if let Some(role_ids) = self.role_ids
            && role.role_ids != role_ids
        {
            role.role_ids = role_ids;
            // It is no longer what was imported, so `sync-roles` must leave it alone.
            role.imported = false;
        }
        role.ttl = self.ttl.unwrap_or(role.ttl);
        role.max_ttl = self.max_ttl.unwrap_or(role.max_ttl);
        role.description = self.description.unwrap_or(std::mem::take(&mut role.description));
        role.token_expiry = self.token_expiry.unwrap_or(role.token_expiry);
        role.max_tokens = self.max_tokens.unwrap_or(role.max_tokens);
    }
}

/// The word of a token expiry.
pub(super) fn token_expiry_word(token_expiry: TokenExpiry) -> &'static str {
    match token_expiry {
        TokenExpiry::Auto => "auto",
        TokenExpiry::Off => "off",
    }
}

/// `role_id` is the first of `role_ids`; a client may write back both as it read them.
fn parse_roles(role_id: Option<&str>, role_ids: Option<&[String]>) -> Result<Option<Vec<AstraRoleId>>, NameError> {
    let first = role_id.map(|id| AstraRoleId::parse("role_id", id)).transpose()?;
    let Some(role_ids) = role_ids else { return Ok(first.map(|id| vec![id])) };
    let mut ids = parse_role_ids("role_ids", role_ids)?;
    if ids.is_empty() {
        return Err(NameError::hidden("role_ids", "is empty: give the ID of at least one Astra role"));
    }
    if let Some(first) = first {
        let Some(place) = ids.iter().position(|id| *id == first) else {
            return Err(NameError::new("role_id", first.as_str(), "must be one of `role_ids` where both are given"));
        };
        ids.swap(0, place);
    }
    Ok(Some(ids))
}

fn parse_token_expiry(text: &str) -> Result<TokenExpiry, NameError> {
    match text {
        "auto" => Ok(TokenExpiry::Auto),
        "off" => Ok(TokenExpiry::Off),
        _ => Err(NameError::new("token_expiry", text, "must be `auto` or `off`")),
    }
}

const ROLE_NAME: Field =
    Field::new("role_name", FieldType::LowerCaseString, "Name of the role in this mount; folded to lower case.")
        .required();

const ROLE: Field = Field::new(
    "role",
    FieldType::String,
    "Name of the role in this mount, in lower case; an upper-case letter is refused, for policies name paths.",
)
.required();

const ROLE_ID: Field = Field::new(
    "role_id",
    FieldType::String,
    "ID of the Astra role that a token gets, a UUID. Required when the role is created.",
);

const ROLE_IDS: Field = Field::new(
    "role_ids",
    FieldType::CommaStringSlice,
    "IDs of several Astra roles that a token gets; instead of `role_id`.",
);

const TTL: Field = Field::new(
    "ttl",
    FieldType::SignedDurationSecond,
    "Time to live of a lease; 0 or left out = the mount's default. Cut to `max_ttl`, with a warning.",
);

const MAX_TTL: Field = Field::new(
    "max_ttl",
    FieldType::SignedDurationSecond,
    "The longest life of a lease, renewals included; 0 or left out = the mount's maximum.",
);

const DESCRIPTION: Field = Field::new(
    "description",
    FieldType::String,
    "Template of a token's description in Astra, at most 256 bytes; empty = the config's. In double braces: mount, org, role, logical_name, display_name, entity_id, request_id, metadata.<key>. The mark by which the engine finds its tokens is always appended.",
);

const TOKEN_EXPIRY: Field = Field::new(
    "token_expiry",
    FieldType::String,
    "`auto`: Astra is asked to end a token a little after its lease can run at the most, so that a lost server still ends access. `off`: it is not.",
)
.or("auto");

const WITH_ASTRA_ROLES: Field = Field::new(
    "with_astra_roles",
    FieldType::Bool,
    "For a read: also answers `astra_roles`, which takes a second look at storage.",
);

/// Does a read ask for what the mount knows of the Astra roles?
pub(super) fn with_astra_roles(data: &FieldData) -> bool {
    data.bool(WITH_ASTRA_ROLES.name).unwrap_or_default()
}

/// Fields of `role`: the Go plugin's.
pub(super) const ROLE_FIELDS: &[Field] = &[ORG_ID, ROLE_NAME, ROLE_ID, TTL, MAX_TTL];

/// Fields of `roles/:org/:role`.
pub(super) const ROLES_ORG_ROLE_FIELDS: &[Field] =
    &[ORG, ROLE, ROLE_ID, ROLE_IDS, TTL, MAX_TTL, DESCRIPTION, TOKEN_EXPIRY, MAX_TOKENS, WITH_ASTRA_ROLES];
