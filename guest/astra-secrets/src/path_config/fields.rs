//! The fields of a config: their rows in the path table, and their parsing
//! into [`Changes`], once for both spellings of the path.

use std::time::Duration;

use secrets_framework::{Field, FieldData, FieldType};

use crate::config::{AdminToken, ApiUrl, CallerMode, OrgConfig};
use crate::limits::{DESCRIPTION_BYTES_MAX, REQUEST_TIMEOUT_MAX, RETRIES_MAX, ROLE_IDS_MAX};
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
        let sent = |name: &str| data.text(name).filter(|_| data.is_set(name));
        Ok(Self {
            admin_token: sent("astra_token").map(AdminToken::parse).transpose()?,
            url: sent("url").map(ApiUrl::parse).transpose()?,
            logical_name: sent("logical_name").map(parse_logical_name).transpose()?,
            caller_mode: sent("caller_mode").map(parse_caller_mode).transpose()?,
            allowed_role_ids: sent_strings(data, "allowed_role_ids").map(parse_allowed_role_ids).transpose()?,
            description: sent("description").map(parse_description).transpose()?,
            request_timeout: sent_number(data, "request_timeout", FieldData::seconds)
                .map(parse_request_timeout)
                .transpose()?,
            max_retries: sent_number(data, "max_retries", FieldData::int).map(parse_max_retries).transpose()?,
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

/// A list, if it was sent.
pub(crate) fn sent_strings<'a>(data: &'a FieldData, name: &str) -> Option<&'a [String]> {
    data.strings(name).filter(|_| data.is_set(name))
}

/// A number, if it was sent.
pub(crate) fn sent_number<T>(data: &FieldData, name: &str, getter: fn(&FieldData, &str) -> Option<T>) -> Option<T> {
    getter(data, name).filter(|_| data.is_set(name))
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
            "must be from 1 s to 60 s, or 0 for the default of 10 s",
        )),
    }
}

fn parse_max_retries(number: i64) -> Result<u32, NameError> {
    u32::try_from(number)
        .ok()
        .filter(|retries| *retries <= RETRIES_MAX)
        .ok_or_else(|| NameError::new("max_retries", &number.to_string(), "must be from 0 to 10"))
}

const fn field(name: &'static str, kind: FieldType, description: &'static str) -> Field {
    Field { name, kind, description, required: false, default: None }
}

/// The organization in a body or query.
pub(crate) const ORG_ID: Field = Field {
    name: "org_id",
    kind: FieldType::String,
    description: "ID of the organization in Astra, a UUID. Its logical name may stand here instead.",
    required: true,
    default: None,
};

/// The organization in a path.
pub(crate) const ORG: Field = Field {
    name: "org",
    kind: FieldType::String,
    description: "ID of the organization in Astra, a UUID. Its logical name may not stand here: policies name paths, so a thing has one path only.",
    required: true,
    default: None,
};

const ASTRA_TOKEN: Field = field(
    "astra_token",
    FieldType::String,
    "Token of the organization, `AstraCS:<client id>:<rest>`, that may list roles and make and delete tokens (Organization Administrator, Database Administrator, or a custom role that may). Required when the config is created. It is never shown again: a read shows `AstraCS:<client id>:redacted`.",
);

const URL: Field = field(
    "url",
    FieldType::String,
    "URL of Astra's DevOps API; empty or left out = `https://api.astra.datastax.com`. Its origin must be among those that the plugin's registration allows (`--allow-egress`).",
);

const LOGICAL_NAME: Field = field(
    "logical_name",
    FieldType::String,
    "Another name of the organization, unique in the mount, that may stand for its ID in a body or query. Empty = none.",
);

const CALLER_MODE: Field = Field {
    name: "caller_mode",
    kind: FieldType::String,
    description: "`standard`: a token made by `org/token` is kept, and read by whoever asks for it again. `sidecar`: each read or write of `org/token` makes a token, and its secret is not kept.",
    required: false,
    default: Some("\"standard\""),
};

const ALLOWED_ROLE_IDS: Field = field(
    "allowed_role_ids",
    FieldType::CommaStringSlice,
    "IDs of the Astra roles that roles of this organization may use; empty = any. Checked when a role is written, and again when a token is made.",
);

const DESCRIPTION: Field = field(
    "description",
    FieldType::String,
    "Template of a token's description in Astra, at most 256 bytes, for roles that have none of their own. In double braces: mount, org, role, logical_name, display_name, entity_id, request_id, metadata.<key>. The mark by which the engine finds its tokens is always appended.",
);

const REQUEST_TIMEOUT: Field = field(
    "request_timeout",
    FieldType::SignedDurationSecond,
    "Bound on one request to Astra, at most 60 s; 0 or left out = 10 s.",
);

const MAX_RETRIES: Field = field(
    "max_retries",
    FieldType::Int64,
    "How often a request to Astra is repeated at the most, 0 to 10; left out = 2.",
);

const VERIFY: Field = Field {
    name: "verify",
    kind: FieldType::Bool,
    description: "Ask Astra which organization a new token belongs to before it is stored. A definite no is an error; no answer within 5 s is a warning.",
    required: false,
    default: Some("true"),
};

const FORCE: Field = Field {
    name: "force",
    kind: FieldType::Bool,
    description: "Delete the config, or change the origin of its URL, although tokens of the organization are alive. The old token and URL are then kept, hidden, to revoke those tokens, until the last has gone.",
    required: false,
    default: Some("false"),
};

/// Fields of `config`.
pub(crate) const CONFIG_FIELDS: &[Field] = &[
    ORG_ID, ASTRA_TOKEN, URL, LOGICAL_NAME, CALLER_MODE, ALLOWED_ROLE_IDS, DESCRIPTION, REQUEST_TIMEOUT, MAX_RETRIES,
    VERIFY, FORCE,
];

/// Fields of `config/:org`.
pub(crate) const CONFIG_ORG_FIELDS: &[Field] = &[
    ORG, ASTRA_TOKEN, URL, LOGICAL_NAME, CALLER_MODE, ALLOWED_ROLE_IDS, DESCRIPTION, REQUEST_TIMEOUT, MAX_RETRIES,
    VERIFY, FORCE,
];
