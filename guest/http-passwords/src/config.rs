//! `config`: where the service is, how users are made and deleted there, and the token that the service wants.

use std::time::Duration;

use http::Uri;
use secrets_framework::host::{StorageEntry, SystemViewError};
use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment, Sensitive,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::json;

use crate::fields::{self, CREATE_BODY, MAX_TTL, TTL, sent};
use crate::limits::REQUEST_TIMEOUT_MAX;
use crate::template::{self, CREATE_PATH, DELETE_PATH};

/// Where the config is stored: the host keeps the token in it from the engine.
pub(crate) const PREFIX: &str = "config/";
const KEY: &str = "config/current";

const URL: Field = Field::new(
    "url",
    FieldType::String,
    "Base URL of the service, such as `https://users.example.com/api`. Another one than the stored one needs `token`, too.",
)
.required();
const TOKEN: Field = Field::new(
    "token",
    FieldType::String,
    "What the service wants after `Authorization: Bearer`, sent to `url` only and never shown. It comes together with `url`.",
)
.required();
const PASSWORD_POLICY: Field = Field::new(
    "password_policy",
    FieldType::String,
    "Name of a password policy of the server, as in `sys/policies/password/:name`.",
)
.required();
const USERNAME_TEMPLATE: Field = Field::new(
    "username_template",
    FieldType::String,
    "Name of a new user: text with `{{random}}`, and perhaps `{{role}}` and `{{display_name}}`.",
)
.or("v-{{role}}-{{random}}");
const CREATE_PATH_FIELD: Field = Field::new(
    "create_path",
    FieldType::String,
    "Path below `url` to which a POST makes a user, perhaps with `{{username}}` and `{{role}}`.",
)
.or("/users");
const DELETE_PATH_FIELD: Field = Field::new(
    "delete_path",
    FieldType::String,
    "Path below `url` on which a DELETE deletes a user, with `{{username}}` and perhaps `{{role}}`.",
)
.or("/users/{{username}}");
const REQUEST_TIMEOUT: Field = Field::new(
    "request_timeout",
    FieldType::DurationSecond,
    "How long one request to the service may take, from 1 to 45 seconds.",
)
.or("20s");
const BODY: Field = CREATE_BODY.or(r#"{"username":"{{username}}","password":"{{password}}"}"#);

const FIELDS: &[Field] = &[
    TOKEN,
    URL,
    PASSWORD_POLICY,
    USERNAME_TEMPLATE,
    CREATE_PATH_FIELD,
    BODY,
    DELETE_PATH_FIELD,
    TTL,
    MAX_TTL,
    REQUEST_TIMEOUT,
];

/// All but the token.
const SHOWN: &[Field] = match FIELDS {
    [_, shown @ ..] => shown,
    [] => &[],
};

/// `config`.
pub(crate) const CONFIG: Path = Path {
    pattern: &[Segment::Literal("config")],
    list: false,
    fields: FIELDS,
    operations: &[
        OperationSpec::new(Operation::Create, write, "Configure the service."),
        OperationSpec::new(Operation::Update, write, "Change the config; what is not sent stays."),
        OperationSpec::new(Operation::Read, read, "Read the config, without the token.").answering(SHOWN),
        OperationSpec::new(Operation::Delete, delete, "Delete the config."),
    ],
    existence_check: Some(exists),
    synopsis: "Configure the service whose passwords this mount leases.",
    description: "A lease can be revoked only while the config names the URL at which its user was made.",
};

/// The config, as it is stored.
#[derive(Deserialize, Serialize)]
pub(crate) struct Config {
    /// Base URL, without a slash at the end.
    pub(crate) url: String,
    #[serde(serialize_with = "expose", deserialize_with = "hide")]
    pub(crate) token: Sensitive,
    pub(crate) password_policy: String,
    pub(crate) username_template: String,
    pub(crate) create_path: String,
    pub(crate) create_body: String,
    pub(crate) delete_path: String,
    /// Seconds; 0 = the mount's default.
    pub(crate) ttl: u64,
    /// Seconds; 0 = the mount's.
    pub(crate) max_ttl: u64,
    /// Seconds.
    pub(crate) request_timeout: u64,
}

fn expose<S: Serializer>(token: &Sensitive, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose())
}

fn hide<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sensitive, D::Error> {
    String::deserialize(deserializer).map(Sensitive::new)
}

/// The stored config; none where there is none.
pub(crate) fn load(context: &Context<'_>) -> Result<Option<Config>, Error> {
    let Some(entry) = context.storage().get(KEY)? else { return Ok(None) };
    let damaged = || Error::Internal(format!("the entry `{KEY}` is damaged: delete the config and write it again"));
    entry.parsed().map(Some).ok_or_else(damaged)
}

fn write(context: &Context<'_>, data: &FieldData) -> Outcome {
    let _turn = context.host.locks().acquire(KEY)?;
    let stored = load(context)?;
    let url = sent(data, "url").map(|url| base_url(context, url)).transpose()?;
    let token = sent(data, "token").filter(|token| !token.is_empty()).map(|token| Sensitive::new(token.to_owned()));
    let old_url = stored.as_ref().map(|stored| stored.url.clone());
    let mut config = match (stored, url, token) {
        (Some(stored), Some(url), Some(token)) => Config { url, token, ..stored },
        (None, Some(url), Some(token)) => of_defaults(data, url, token),
        (_, None, Some(_)) => return Err(Error::mistake("`token` without `url`: send the `url` that it is for, too")),
        (None, _, None) => return Err(Error::mistake("missing `url` or `token`: a new config needs both")),
        (Some(stored), Some(url), None) if stored.url != url => {
            return Err(Error::mistake(format!(
                "`url` changes from `{}` to `{url}`, and the stored token goes only to the former: send `token`, too",
                stored.url
            )));
        }
        (Some(stored), _, None) => stored,
    };
    apply(context, data, &mut config)?;
    context.storage().put(StorageEntry::json(KEY, &config)?.sealed())?;
    let left = old_url.filter(|old| *old != config.url);
    Ok(left.map(|old| {
        Response::default().warn(format!(
            "what was leased at `{old}` cannot be revoked while `url` is another one: write the old `url` for that"
        ))
    }))
}

/// A new config. What is checked is left to `apply`.
fn of_defaults(data: &FieldData, url: String, token: Sensitive) -> Config {
    let text = |name| data.text(name).unwrap_or_default().to_owned();
    Config {
        url,
        token,
        password_policy: String::new(),
        username_template: text("username_template"),
        create_path: text("create_path"),
        create_body: text("create_body"),
        delete_path: text("delete_path"),
        ttl: 0,
        max_ttl: 0,
        request_timeout: data.duration("request_timeout").unwrap_or_default().as_secs(),
    }
}

/// Takes over what was sent, and checks all of it.
fn apply(context: &Context<'_>, data: &FieldData, config: &mut Config) -> Result<(), Error> {
    let texts = [
        ("password_policy", &mut config.password_policy),
        ("username_template", &mut config.username_template),
        ("create_path", &mut config.create_path),
        ("create_body", &mut config.create_body),
        ("delete_path", &mut config.delete_path),
    ];
    for (name, text) in texts {
        if let Some(new) = sent(data, name) {
            new.clone_into(text);
        }
    }
    template::check_username(&config.username_template)?;
    template::check_path(&CREATE_PATH, &config.create_path)?;
    template::check_body(&config.create_body)?;
    template::check_path(&DELETE_PATH, &config.delete_path)?;
    fields::apply_ttls(data, &mut config.ttl, &mut config.max_ttl)?;
    if data.is_set("request_timeout") {
        config.request_timeout = data.duration("request_timeout").unwrap_or_default().as_secs();
    }
    let longest = REQUEST_TIMEOUT_MAX.as_secs();
    if !(1..=longest).contains(&config.request_timeout) {
        let text = format!("`request_timeout` is {} s: write 1 to {longest} seconds", config.request_timeout);
        return Err(Error::mistake(text));
    }
    if config.password_policy.is_empty() {
        return Err(Error::mistake("missing `password_policy`: name a policy of `sys/policies/password`"));
    }
    if data.is_set("password_policy") {
        config.new_password(context).map_err(Error::mistake)?;
    }
    Ok(())
}

impl Config {
    /// A password by the policy. The error is a sentence.
    pub(crate) fn new_password(&self, context: &Context<'_>) -> Result<Sensitive, String> {
        let policy = &self.password_policy;
        context.host.system_view().generate_password(policy).map_err(|error| match &error {
            SystemViewError::Unsupported(_) => "there is no server here with password policies".to_owned(),
            SystemViewError::NotBuiltIn(_) => error.to_string(),
            SystemViewError::Failed(text) => format!(
                "the server made no password by `password_policy` `{policy}` ({text}): check `sys/policies/password/{policy}`"
            ),
        })
    }

    /// Base URL as origin and path.
    pub(crate) fn origin_and_path(&self) -> (&str, &str) {
        let authority = self.url.find("://").map_or(0, |scheme| scheme + 3);
        let path = self.url[authority..].find('/').map_or(self.url.len(), |path| authority + path);
        self.url.split_at(path)
    }

    /// How long a request to the service may take.
    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout)
    }
}

/// A base URL in one spelling, to which the host lets requests go.
fn base_url(context: &Context<'_>, text: &str) -> Result<String, Error> {
    // What stands before an `@` or after a `?` may be secret, so the text is not repeated.
    let mistake =
        || Error::mistake("`url` must be a base URL such as `https://users.example.com/api`, without user or query");
    let uri = text.parse::<Uri>().ok().filter(|_| !text.contains(['@', '?', '#'])).ok_or_else(mistake)?;
    let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "https" | "http")).ok_or_else(mistake)?;
    let host = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or_else(mistake)?;
    let path = uri.path().trim_end_matches('/');
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(mistake());
    }
    let origin = format!("{scheme}://{}", host.as_str().to_ascii_lowercase());
    context.host.http().check_origin(&origin).map_err(Error::mistake)?;
    Ok(origin + path)
}

fn read(context: &Context<'_>, _: &FieldData) -> Outcome {
    let Some(config) = load(context)? else { return Ok(None) };
    let data = json!({
        "url": config.url,
        "password_policy": config.password_policy,
        "username_template": config.username_template,
        "create_path": config.create_path,
        "create_body": config.create_body,
        "delete_path": config.delete_path,
        "ttl": config.ttl,
        "max_ttl": config.max_ttl,
        "request_timeout": config.request_timeout,
    });
    Response::json(&data).map(Some)
}

fn delete(context: &Context<'_>, _: &FieldData) -> Outcome {
    let _turn = context.host.locks().acquire(KEY)?;
    context.storage().delete(KEY)?;
    Ok(None)
}

fn exists(context: &Context<'_>, _: &FieldData) -> Result<bool, Error> {
    Ok(context.storage().get(KEY)?.is_some())
}
