//! `config`: where the upstream is, and the token that it wants.
//!
//! The token is declared as a secret, so this engine never has it: what it reads, stores and sends is a surrogate, in whose
//! place the host sends the token, to `url` only and in the declared calls only.

use secrets_framework::host::StorageEntry;
use secrets_framework::{
    Alphabet, ApiCall, Context, Destination, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome,
    Path, RequestField, Response, SecretClass, SecretShape, Segment, StoredField,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

const URL: Field = Field::new("url", FieldType::String, "Base URL of the upstream.").required();
const TOKEN: Field = Field::new("token", FieldType::String, "What the upstream wants as bearer token.").required();

pub(crate) const CONFIG: Path = Path {
    pattern: &[Segment::Literal("config")],
    list: false,
    fields: &[URL, TOKEN],
    operations: &[
        OperationSpec::new(Operation::Update, write, "Write where the upstream is, and its token."),
        OperationSpec::new(Operation::Read, read, "Read where the upstream is.").answering(&[URL]),
        OperationSpec::new(Operation::Delete, delete, "Delete the config."),
    ],
    existence_check: None,
    synopsis: "Configure the upstream.",
    description: "The token is sent to this URL only, and shown to nobody.",
};

pub(crate) const API_TOKEN: SecretClass = SecretClass {
    name: "api-token",
    shape: SecretShape {
        public: "",
        alphabet: Alphabet::LettersAndDigits,
        plain_endings: &[],
        secret_characters_min: 16,
    },
    request_fields: &[RequestField {
        paths: &["config"],
        at: &["token"],
        destination: Destination::Requested { field: Some("url"), stored: None, otherwise: None },
        owner: &[],
    }],
    stored_fields: &[StoredField {
        prefix: PREFIX,
        at: &["token"],
        destination: Destination::Sibling { key: "url", otherwise: None },
        owner: None,
    }],
    unreadable_fields: &[],
    answered_fields: &[],
    bearer_of: &[ApiCall { method: "GET", path: "/visitors/+" }],
    shown_fields: &[],
    becomes: &[],
};

#[derive(Deserialize, Serialize)]
pub(crate) struct Config {
    /// Base URL, without a slash at the end.
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Config {
    /// The base URL as origin and path.
    pub(crate) fn origin_and_path(&self) -> (&str, &str) {
        split(&self.url).unwrap_or((&self.url, ""))
    }
}

pub(crate) fn load(context: &Context<'_>) -> Result<Option<Config>, Error> {
    let Some(entry) = context.storage().get(KEY)? else { return Ok(None) };
    let damaged = || Error::Internal(format!("the entry `{KEY}` is damaged: write `config` again"));
    entry.parsed().map(Some).ok_or_else(damaged)
}

fn write(context: &Context<'_>, data: &FieldData) -> Outcome {
    let text = |name| data.text(name).unwrap_or_default();
    let url = text("url").trim_end_matches('/').to_owned();
    let Some((origin, _)) = split(&url) else {
        return Err(Error::mistake("`url` must be a base URL such as `https://visits.example.com/api`"));
    };
    context.host.http().check_origin(origin).map_err(Error::mistake)?;
    let token = text("token").to_owned();
    if token.is_empty() {
        return Err(Error::mistake(
            "missing `token`: the upstream wants one, and a stored one is not sent to another `url`",
        ));
    }
    context.storage().put(StorageEntry::json(KEY, &Config { url, token })?.sealed())?;
    Ok(None)
}

fn read(context: &Context<'_>, _: &FieldData) -> Outcome {
    load(context)?.map(|config| Response::json(&json!({ "url": config.url }))).transpose()
}

fn delete(context: &Context<'_>, _: &FieldData) -> Outcome {
    context.storage().delete(KEY)?;
    Ok(None)
}

/// Origin and path of a URL; none where the text is no plain URL of HTTP.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.find('/').unwrap_or(rest.len());
    let is_plain = authority > 0 && !url.contains(['@', '?', '#', ' ']);
    (is_plain && matches!(scheme, "https" | "http")).then(|| url.split_at(scheme.len() + "://".len() + authority))
}

pub(crate) const PREFIX: &str = "config/";
const KEY: &str = "config/current";
