//! `creds/:name`: a leased password. A write-ahead entry stands for the user from before the POST until the answer, so that
//! rollback deletes what a fault or a crash in between left in the service.

use std::time::Duration;

use secrets_framework::wal::{self, WalGroup};
use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Lease, LeaseAnswer, Operation, OperationSpec, Outcome, Path, Response,
    Secret, SecretKind, Segment, Undo,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::config::{self, Config};
use crate::limits::{DISPLAY_NAME_CHARACTERS_MAX, RANDOM_BYTES};
use crate::role::{self, Role};
use crate::service;
use crate::template;

/// `creds/:name`.
pub(crate) const CREDS: Path = Path {
    pattern: &[Segment::Literal("creds"), Segment::Capture("name")],
    list: false,
    fields: &[Field::new("name", FieldType::String, "Name of the role.").required()],
    operations: &[OperationSpec::new(Operation::Read, make, "Make a user with a password.").answering(&[
        Field::new("username", FieldType::String, "Name of the new user."),
        Field::new("password", FieldType::String, "Password of the new user, shown this once."),
    ])],
    existence_check: None,
    synopsis: "Make a user of a role in the service, with a password.",
    description: "Each read makes another user and leases it: when the lease ends or is revoked, the service is asked to \
        delete the user. The password is kept nowhere.",
};

/// The kind of secret that this engine leases.
pub(crate) const PASSWORD: SecretKind = SecretKind { kind: "password", renew: Some(renew), revoke };

/// The word of the write-ahead entries.
const WAL_KIND: &str = "user";

/// The group of all write-ahead entries: a mount has one service.
const WAL_GROUP: WalGroup = WalGroup(0);

/// A user in the service, as a lease and a write-ahead entry name it.
#[derive(Deserialize, Serialize)]
struct User {
    username: String,
    role: String,
    /// Base URL of the service in which it was made.
    url: String,
}

fn make(context: &Context<'_>, data: &FieldData) -> Outcome {
    let role_name = data.text("name").unwrap_or_default();
    let config = config::load(context)?.ok_or_else(|| Error::mistake(NO_CONFIG))?;
    let Some(role) = role::load(context, role_name)? else { return Err(no_role(role_name)) };
    if context.host.system_view().is_upstream_read_only() {
        return Err(Error::coded(503, format!("no user was made: {READ_ONLY}")));
    }
    let password = config.new_password(context).map_err(|text| Error::coded(503, text))?;
    let display_name = plain(&context.request.identity.display_name);
    let random = random(context);
    let names = [("role", role_name), ("display_name", &display_name), ("random", &random)];
    let username = template::fill(&config.username_template, &names);
    let user = User { username, role: role_name.to_owned(), url: config.url.clone() };

    let entry = wal::put(context, WAL_GROUP, WAL_KIND, json!(user))?;
    let body = if role.create_body.is_empty() { &config.create_body } else { &role.create_body };
    let values = [
        ("username", user.username.as_str()),
        ("password", password.expose()),
        ("role", role_name),
        ("display_name", &display_name),
    ];
    if let Err(failure) = service::create(context, &config, body, &values) {
        if !failure.may_have_acted {
            wal::delete(context, &entry)?;
        }
        return Err(failure.error);
    }
    wal::delete(context, &entry)?;
    let response = Response::json(&json!({ "username": user.username, "password": password.expose() }))?;
    let internal_data = match json!(user) {
        Value::Object(internal_data) => internal_data,
        _ => Map::new(),
    };
    Ok(Some(response.leased(leased(&config, &role, internal_data))))
}

fn leased(config: &Config, role: &Role, internal_data: Map<String, Value>) -> Secret {
    let of = |own, otherwise| Duration::from_secs(if own == 0 { otherwise } else { own });
    let (ttl, max_ttl) = (of(role.ttl, config.ttl), of(role.max_ttl, config.max_ttl));
    PASSWORD.secret(Secret { ttl, max_ttl, renewable: true, internal_data })
}

/// The service knows no times, so a renewal is between the server and its client.
fn renew(context: &Context<'_>, lease: &Lease) -> LeaseAnswer {
    let user = User::of(lease)?;
    let config = config::load(context)?.ok_or_else(|| Error::mistake(NO_CONFIG))?;
    let Some(role) = role::load(context, &user.role)? else { return Err(no_role(&user.role)) };
    Ok(Some(Response::default().leased(leased(&config, &role, lease.internal_data.clone()))))
}

/// The server repeats a revocation after a fault: a user that is gone counts as deleted.
fn revoke(context: &Context<'_>, lease: &Lease) -> LeaseAnswer {
    let user = User::of(lease)?;
    let config = config::load(context)?;
    let config = config.as_ref().ok_or_else(|| NO_CONFIG.to_owned()).and_then(|config| user.place(config));
    let config = config.map_err(|reason| Error::mistake(next_step(context, reason)))?;
    user.delete(context, config)?;
    Ok(None)
}

/// Undoes a write-ahead entry: deletes the user for which it stands.
pub(crate) fn undo(context: &Context<'_>, kind: &str, data: &Value) -> Result<Undo, Error> {
    let user = User::deserialize(data).ok().filter(|_| kind == WAL_KIND);
    let Some(user) = user else { return Ok(Undo::Impossible("it names no user".to_owned())) };
    let config = config::load(context)?;
    match config.as_ref().ok_or_else(|| NO_CONFIG.to_owned()).and_then(|config| user.place(config)) {
        Ok(config) => user.delete(context, config).map(|()| Undo::Done),
        Err(reason) => Ok(Undo::Impossible(next_step(context, reason))),
    }
}

impl User {
    fn of(lease: &Lease) -> Result<Self, Error> {
        let data = Value::Object(lease.internal_data.clone());
        Self::deserialize(data).map_err(|_| Error::Internal("the lease names no user of the service".to_owned()))
    }

    /// The config by which the user can be deleted. The token of another URL must not get there, and a user of the same
    /// name at another URL is another user.
    fn place<'a>(&self, config: &'a Config) -> Result<&'a Config, String> {
        if config.url == self.url {
            return Ok(config);
        }
        let Self { username, url, .. } = self;
        Err(format!(
            "the user `{username}` was made at `{url}`, and the config names `{}`: write `url={url}` with its `token` to \
             `config`",
            config.url
        ))
    }

    fn delete(&self, context: &Context<'_>, config: &Config) -> Result<(), Error> {
        let values = [("username", self.username.as_str()), ("role", &self.role)];
        service::delete(context, config, &values).map_err(|failure| match failure.error {
            Error::Coded { code, message } => Error::coded(code, next_step(context, message)),
            error => error,
        })
    }
}

/// What failed, for a caller who may have no path of the mount left to write to: the server closes the paths of a mount that
/// it is removing.
fn next_step(context: &Context<'_>, reason: String) -> String {
    match context.host.system_view().is_tainted() {
        Ok(true) => format!(
            "{reason}; but the mount is being removed, and its paths are closed: repeat `secrets disable` later, or delete the \
             user in the service and revoke the lease with `-force`"
        ),
        _ => reason,
    }
}

fn no_role(name: &str) -> Error {
    Error::mistake(format!("there is no role `{name}`: write `roles/{name}` first"))
}

/// A part of a user's name out of a text of anybody.
fn plain(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    text.chars().take(DISPLAY_NAME_CHARACTERS_MAX).map(plain).collect()
}

fn random(context: &Context<'_>) -> String {
    let mut bytes = [0; RANDOM_BYTES];
    context.host.random().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const NO_CONFIG: &str = "there is no config: write `config` first";

const READ_ONLY: &str = "this mount may only read from its upstream (`--astra-read-only` in the plugin's registration, or \
    the mount option `upstream=read-only`)";
