//! The fields of a config: their rows in the path table, and their parsing
//! into [`Changes`], once for both spellings of the path.

use std::time::Duration;

use secrets_framework::{Field, FieldData, FieldType};

use crate::config::{AdminToken, ApiUrl, CallerMode, OrgConfig};
use crate::limits::{DESCRIPTION_BYTES_MAX, REQUEST_TIMEOUT_MAX, RETRIES_MAX, ROLE_IDS_MAX};
use crate::mint;
use crate::names::{AstraRoleId, LogicalName, NameError};

/// What a write changes: only the fields that were sent.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// A new admin token.
    pub(crate) admin_token: Option<AdminToken>,
    /// A new URL.
    pub(crate) url: Option<ApiUrl>,
    /// A new logical name; `Some(None)` = none any more.
    pub(crate) logical_name: Option<Option<LogicalName>>,
    caller_mode: Option<CallerMode>,
    allowed_role_ids: Option<Vec<AstraRoleId>>,
    description: Option<String>,
    request_timeout: Option<Option<Duration>>,
    max_retries: Option<u32>,
}

impl Changes {
    /// The changes that a write asks for.
    pub(crate) fn parse(data: &FieldData) -> Result<Self, NameError> {
        let sent = |name: &str| sent(data, name, FieldData::text);
        Ok(Self {
            admin_token: sent("astra_token").map(AdminToken::parse).transpose()?,
            url: sent("url").map(ApiUrl::parse).transpose()?,
            logical_name: sent("logical_name").map(parse_logical_name).transpose()?,
            caller_mode: sent("caller_mode").map(parse_caller_mode).transpose()?,
            allowed_role_ids: self::sent(data, "allowed_role_ids", FieldData::strings)
                .map(parse_allowed_role_ids)
                .transpose()?,
            description: sent("description").map(parse_description).transpose()?,
            request_timeout: self::sent(data, "request_timeout", FieldData::seconds)
                .map(parse_request_timeout)
                .transpose()?,
            max_retries: self::sent(data, "max_retries", FieldData::int).map(parse_max_retries).transpose()?,
        })
    }

    /// Makes the changes.
    pub(crate) fn apply(self, config: &mut OrgConfig) {
        set(&mut config.admin_token, self.admin_token);
        set(&mut config.url, self.url);
        set(&mut config.logical_name, self.logical_name);
        set(&mut config.caller_mode, self.caller_mode);
        set(&mut config.allowed_role_ids, self.allowed_role_ids);
        set(&mut config.description, self.description);
        set(&mut config.request_timeout_set, self.request_timeout);
        set(&mut config.max_retries_set, self.max_retries.map(Some));
    }
}

/// The word of a caller mode.
pub(crate) fn caller_mode_word(mode: CallerMode) -> &'static str {
    match mode {
        CallerMode::Standard => "standard",
        CallerMode::Sidecar => "sidecar",
    }
}

/// A template of a token's description, as config and role take it.
pub(crate) fn parse_description(text: &str) -> Result<String, NameError> {
    if text.len() > DESCRIPTION_BYTES_MAX {
        return Err(NameError::new("description", text, "must have at most 256 bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::new("description", text, "must have no line ends and no other control characters"));
    }
    mint::check_template(text).map_err(|error| NameError::new("description", text, &error.to_string()))?;
    Ok(text.to_owned())
}

/// A list of Astra role IDs, each once, in the order given.
pub(crate) fn parse_role_ids(field: &'static str, texts: &[String]) -> Result<Vec<AstraRoleId>, NameError> {
    let mut ids = Vec::new();
    for text in texts {
        let id = AstraRoleId::parse(field, text)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.len() > ROLE_IDS_MAX {
        return Err(NameError::hidden(field, "holds more than 100 role IDs"));
    }
    Ok(ids)
}

/// A field's value if it was sent: its default is for those who read, not
/// for a write that leaves it out, nor for a path that has no such field.
pub(crate) fn sent<'a, T>(
    data: &'a FieldData,
    name: &str,
    getter: impl Fn(&'a FieldData, &str) -> Option<T>,
) -> Option<T> {
    if data.is_set(name) { getter(data, name) } else { None }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn parse_logical_name(text: &str) -> Result<Option<LogicalName>, NameError> {
    if text.is_empty() { Ok(None) } else { LogicalName::parse(text).map(Some) }
}

fn parse_caller_mode(text: &str) -> Result<CallerMode, NameError> {
    // As the Go plugin, in any case of letters.
    match text.to_ascii_lowercase().as_str() {
        "standard" => Ok(CallerMode::Standard),
        "sidecar" => Ok(CallerMode::Sidecar),
        _ => Err(NameError::new("caller_mode", text, "must be `standard` or `sidecar`")),
    }
}

fn parse_allowed_role_ids(texts: &[String]) -> Result<Vec<AstraRoleId>, NameError> {
    parse_role_ids("allowed_role_ids", texts)
}

fn parse_request_timeout(seconds: i64) -> Result<Option<Duration>, NameError> {
    match u64::try_from(seconds).map(Duration::from_secs) {
        Ok(Duration::ZERO) => Ok(None),
        Ok(timeout) if timeout <= REQUEST_TIMEOUT_MAX => Ok(Some(timeout)),
        _ => Err(NameError::new(
            "request_timeout",
            &format!("{seconds} s"),
            "must be from 1 s to 30 s, or 0 for the default of 10 s",
        )),
    }
}

fn parse_max_retries(number: i64) -> Result<u32, NameError> {
    u32::try_from(number)
        .ok()
        .filter(|retries| *retries <= RETRIES_MAX)
        .ok_or_else(|| NameError::new("max_retries", &number.to_string(), "must be from 0 to 10"))
}

/// The organization in a body or query.
pub(crate) const ORG_ID: Field = Field::new(
    "org_id",
    FieldType::String,
    "ID of the organization in Astra, a UUID. Its logical name may stand here instead.",
)
.required();

/// The organization in a path.
pub(crate) const ORG: Field = Field::new(
    "org",
    FieldType::String,
    "ID of the organization in Astra, a UUID. Its logical name may not stand here: policies name paths, so a thing has one path only.",
)
.required();

const ASTRA_TOKEN: Field = Field::new(
    "astra_token",
    FieldType::String,
    "Token of the organization, `AstraCS:<client id>:<rest>`, that may list roles and make and delete tokens (Organization Administrator, Database Administrator, or a custom role that may). Required when the config is created. It is never shown again: a read shows `AstraCS:<client id>:redacted`.",
);

const URL: Field = Field::new(
    "url",
    FieldType::String,
    "URL of Astra's DevOps API; empty or left out = `https://api.astra.datastax.com`. Its origin must be among those that the plugin's registration allows (`--allow-egress`).",
);

const LOGICAL_NAME: Field = Field::new(
    "logical_name",
    FieldType::String,
    "Another name of the organization, unique in the mount, that may stand for its ID in a body or query. Empty = none.",
);

const CALLER_MODE: Field = Field::new(
    "caller_mode",
    FieldType::String,
    "`standard`: a token made by `org/token` is kept, and read by whoever asks for it again. `sidecar`: each read or write of `org/token` makes a token, and its secret is not kept.",
)
.or("standard");

const ALLOWED_ROLE_IDS: Field = Field::new(
    "allowed_role_ids",
    FieldType::CommaStringSlice,
    "IDs of the Astra roles that roles of this organization may use; empty = any. Checked when a role is written, and again when a token is made.",
);

const DESCRIPTION: Field = Field::new(
    "description",
    FieldType::String,
    "Template of a token's description in Astra, at most 256 bytes, for roles that have none of their own. In double braces: mount, org, role, logical_name, display_name, entity_id, request_id, metadata.<key>. The mark by which the engine finds its tokens is always appended.",
);

const REQUEST_TIMEOUT: Field = Field::new(
    "request_timeout",
    FieldType::SignedDurationSecond,
    "Bound on one request to Astra, at most 30 s; 0 or left out = 10 s.",
);

const MAX_RETRIES: Field = Field::new(
    "max_retries",
    FieldType::Int64,
    "How often a request to Astra is repeated at the most, 0 to 10; left out = 2.",
);

const VERIFY: Field = Field::new(
    "verify",
    FieldType::Bool,
    "Ask Astra which organization a new token belongs to before it is stored. A definite no is an error; no answer within 5 s is a warning.",
)
.or("true");

const FORCE: Field = Field::new(
    "force",
    FieldType::Bool,
    "Delete the config, or change the origin of its URL, although tokens of the organization are alive. The old token and URL are then kept, hidden, to revoke those tokens, until the last has gone.",
)
.or("false");

/// Fields of `config`: the Go plugin's, and how to write.
pub(crate) const CONFIG_FIELDS: &[Field] = &[ORG_ID, ASTRA_TOKEN, URL, LOGICAL_NAME, CALLER_MODE, VERIFY, FORCE];

/// Fields of `config/:org`.
pub(crate) const CONFIG_ORG_FIELDS: &[Field] = &[
    ORG,
    ASTRA_TOKEN,
    URL,
    LOGICAL_NAME,
    CALLER_MODE,
    ALLOWED_ROLE_IDS,
    DESCRIPTION,
    REQUEST_TIMEOUT,
    MAX_RETRIES,
    VERIFY,
    FORCE,
];
