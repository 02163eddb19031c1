//! `org/token` and `org/tokens`, the Go plugin's paths. In standard mode many
//! clients share a token by its logical name: one write makes it, reads show it
//! again. In sidecar mode each call makes a token of its own.

use std::collections::BTreeMap;

use secrets_framework::host::{LockGuard, StorageEntry};
use secrets_framework::{
    Context, Error, Field, FieldData, FieldType, Operation, OperationSpec, Outcome, Path, Response, Segment,
};
use serde::Serialize;

use crate::astra_token::{ORG_TOKEN_ANSWER, plain_answer};
use crate::config::{self, CallerMode, OrgConfig, unknown_org};
use crate::history::End;
use crate::mint::{MintStart, Order, already_exists, mint};
use crate::names::{ClientId, OrgId, RoleName, TokenLogicalName, is_name, shown};
use crate::page::{AFTER, LIMIT, Page};
use crate::path_config::target;
use crate::record::{self, Cut, Listing, Record, RecordId, TokenKind};
use crate::role::{self, Role};
use crate::storage;

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
            "ttl",
            FieldType::DurationSecond,
            "Time to live of the lease of a new token, at most the role's maximum; 0 = the role's own.",
        ),
        Field::new(
            "client_id",
            FieldType::String,
            "Client ID of a token to read; case matters. Ignored in sidecar mode.",
        ),
    ],
    operations: &[
        OperationSpec::new(Operation::Update, write, "Make a token of a role.").answering(ORG_TOKEN_ANSWER),
        OperationSpec::new(Operation::Read, read, "Read a token that was made before; in sidecar mode, make one.")
            .answering(ORG_TOKEN_ANSWER),
    ],
    existence_check: None,
    synopsis: "Make a leased Astra token of a role, or read one again.",
    description: "In standard mode a write makes a token for `org_id`, `role_name` and `logical_name`; the same three \
        again are refused. Without `logical_name` each write makes another token, known by its client ID. A read \
        shows a token that was made before, by those three or by `org_id` and `client_id`, and is logged. In sidecar \
        mode, a setting of the organization's config, each read and each write makes another token, and its secret \
        is kept nowhere. The organization is named in the body, so this path is an alias of \
        `creds/<organization>/<role>` for every organization and role, and shows the tokens that it stored: a policy \
        that allows or denies one of them must not allow this path.",
};

/// `org/tokens`.
pub(crate) const ORG_TOKENS: Path = Path {
    pattern: &[Segment::Literal("org"), Segment::Literal("tokens")],
    list: true,
    fields: &[AFTER, LIMIT],
    operations: &[OperationSpec::new(Operation::List, list, "List the tokens of all organizations.").answering(&[
        Field::new("keys", FieldType::CommaStringSlice, "Client IDs."),
        Field::new("key_info", FieldType::Map, "By client ID: organization, role, logical name, metadata, when made."),
    ])],
    existence_check: None,
    synopsis: "List the tokens that this mount made.",
    description: "The keys are client IDs; `key_info` says what each is for. Nothing secret is shown.",
};

fn write(context: &Context<'_>, data: &FieldData) -> Outcome {
    let locks = Locks::of(context, data)?;
    let known = known(context, data)?;
    // An organization that is found by another name than its ID has other locks.
    let locks = if known.along.is_some() { locks } else { Locks::default() };
    match known.config.caller_mode {
        CallerMode::Standard => write_standard(context, data, &known, locks),
        CallerMode::Sidecar => {
            drop(locks.name);
            make(context, data, &known, TokenKind::Sidecar, locks.start)
        }
    }
}

fn read(context: &Context<'_>, data: &FieldData) -> Outcome {
    known(context, data).and_then(|known| match known.config.caller_mode {
        CallerMode::Standard => read_standard(context, data, &known),
        // Most reads are those of standard mode, which take no lock.
        CallerMode::Sidecar => make(context, data, &known, TokenKind::Sidecar, None),
    })
}

fn list(context: &Context<'_>, data: &FieldData) -> Outcome {
    list_answer(&record::all(context, &Page::of(data))?, Info::of)
}

/// The answer of a list of tokens; none where there are none.
pub(crate) fn list_answer<'a, T: Serialize>(listing: &'a Listing, info: impl Fn(&'a Record) -> T) -> Outcome {
    if listing.client_ids.is_empty() {
        return Ok(None);
    }
    let infos: BTreeMap<&str, T> =
        listing.records.iter().map(|record| (record.client_id.as_str(), info(record))).collect();
    let described = infos.len();
    let mut response = Response::json(&ListAnswer { keys: &listing.client_ids, key_info: infos })?;
    if described < listing.client_ids.len() {
        response = response.warn(format!(
            "there are more tokens than one list describes: `key_info` has {described} of them; list them in pages by `limit` and `after`, or read one by its client ID"
        ));
    }
    Ok(Some(match listing.cut {
        Some(Cut::Long) => response.warn(
            "there are more tokens than one list holds: list them in pages by `limit` and `after`",
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
    keys: &'a [ClientId],
    key_info: BTreeMap<&'a str, T>,
}

fn write_standard<'a>(context: &Context<'a>, data: &FieldData, known: &Known, locks: Locks<'a>) -> Outcome {
    let text = data.text("logical_name").unwrap_or_default();
    if text.is_empty() {
        return make(context, data, known, TokenKind::Standard, locks.start);
    }
    let name = TokenLogicalName::parse(text)?;
    let config = &known.config;
    let role = known_role(context, data, known)?;
    let id = RecordId::named(&config.org_id, &role.name, name.as_str());
    // The lock is held until the token is stored: of two writers, the second finds it.
    let (_guard, start, record) = match (locks, &known.along) {
        (Locks { name: Some((locked, guard)), start }, Some(along)) if locked == id => {
            let record = along.named_record.as_ref().map(|entry| record::decode(entry, &id)).transpose()?;
            (guard, start, record)
        }
        // No mint waits here while it holds the lock of a start: the one before it may be asking Astra.
        (locks, _) => {
            drop(locks);
            (record::lock(context, &id)?, None, record::load(context, &id)?)
        }
    };
    match record {
        // Nothing was made under the name, so the name is free.
        Some(record) if record.names_no_token() => record::remove(context, &record, End::Tidied)?,
        Some(record) => return Err(already_exists(&record)),
        None => {}
    }
    order(context, data, (config, &role), TokenKind::Standard, Some(&name), start)
}

fn read_standard(context: &Context<'_>, data: &FieldData, known: &Known) -> Outcome {
    let Known { config, along } = known;
    let client_id = ClientId::stored(data.text("client_id").unwrap_or_default());
    let record = if client_id.is_empty() {
        let id = named_id(data, config)?;
        match along {
            Some(along) => along.named_record.as_ref().map(|entry| record::decode(entry, &id)).transpose()?,
            None => record::load(context, &id)?,
        }
    } else {
        record::find(context, &config.org_id, &client_id)?
    };
    let Some(record) = record.filter(|record| !record.names_no_token()) else { return Ok(None) };
    if record.kind == TokenKind::Static {
        // It has a path of its own, for policies.
        return Err(Error::mistake(format!(
            "the token `{}` is the static role `{}`'s: read `static-creds/{}/{}`",
            record.client_id, record.role_name, record.org_id, record.role_name
        )));
    }
    if record.kind == TokenKind::Admin {
        return Err(Error::mistake(format!(
            "the token `{}` is or was the admin token of organization `{}`, which is shown to nobody: make a token of a role",
            record.client_id, record.org_id
        )));
    }
    let Some(secrets) = &record.secrets else {
        return Err(Error::mistake(format!(
            "the secret of the token `{}` was shown when it was made and is kept nowhere: ask for a new token",
            record.client_id
        )));
    };
    record::note_read(context, config.record_reads, &record)?;
    Ok(Some(plain_answer(&record, secrets)?))
}

/// The ID of the record that a read names by the three.
fn named_id(data: &FieldData, config: &OrgConfig) -> Result<RecordId, Error> {
    match (data.text("role_name").unwrap_or_default(), data.text("logical_name").unwrap_or_default()) {
        ("", _) => {
            Err(Error::mistake("missing `role_name`: give it with `logical_name`, or give the token's `client_id`"))
        }
        (_, "") => {
            Err(Error::mistake("missing `logical_name`: give it with `role_name`, or give the token's `client_id`"))
        }
        (role, name) => Ok(RecordId::named(&config.org_id, &RoleName::stored(role), name)),
    }
}

fn make<'a>(
    context: &Context<'a>,
    data: &FieldData,
    known: &Known,
    kind: TokenKind,
    start: Option<MintStart<'a>>,
) -> Outcome {
    let role = known_role(context, data, known)?;
    order(context, data, (&known.config, &role), kind, None, start)
}

fn order<'a>(
    context: &Context<'a>,
    data: &FieldData,
    (config, role): (&OrgConfig, &Role),
    kind: TokenKind,
    logical_name: Option<&TokenLogicalName>,
    start: Option<MintStart<'a>>,
) -> Outcome {
    let metadata = data.pairs("metadata").cloned().unwrap_or_default();
    let order = Order { config, role, kind, logical_name, metadata, ttl: data.duration("ttl") };
    mint(context, &order, start).map(Some)
}

/// The locks of a mint, taken before anything is read, so that nothing has to be read again under them: that of the record
/// if the token has a logical name, then that of the start.
#[derive(Default)]
struct Locks<'a> {
    name: Option<(RecordId, Box<dyn LockGuard + 'a>)>,
    start: Option<MintStart<'a>>,
}

impl<'a> Locks<'a> {
    /// Those of what the request names; none where that is not known before something is read.
    fn of(context: &Context<'a>, data: &FieldData) -> Result<Self, Error> {
        let Some((org_id, role_name)) = by_ids(data) else { return Ok(Self::default()) };
        let logical_name = data.text("logical_name").filter(|name| TokenLogicalName::parse(name).is_ok());
        let id = logical_name.map(|name| RecordId::named(&org_id, &role_name, name));
        let name = id.map(|id| record::lock(context, &id).map(|guard| (id, guard))).transpose()?;
        Ok(Self { name, start: Some(MintStart::of(context, &org_id)?) })
    }
}

/// Organization and role of a request that names them as storage does. An odd name may be no key, which is told only where
/// the organization is known.
fn by_ids(data: &FieldData) -> Option<(OrgId, RoleName)> {
    let [org_id, role_name] = ["org_id", "role_name"].map(|name| data.text(name).unwrap_or_default());
    (is_name(org_id) && is_name(role_name)).then(|| (OrgId::stored(org_id), RoleName::stored(role_name)))
}

/// What a request is about.
struct Known {
    config: OrgConfig,
    /// Read along with it, where the request names the organization by its ID.
    along: Option<Along>,
}

/// Entries that may be needed, each none where there is none.
struct Along {
    role: Option<StorageEntry>,
    named_record: Option<StorageEntry>,
}

/// In the time of one read, mostly: clients name an organization by its ID.
fn known(context: &Context<'_>, data: &FieldData) -> Result<Known, Error> {
    if let Some((org_id, role_name)) = by_ids(data) {
        let id = RecordId::named(&org_id, &role_name, data.text("logical_name").unwrap_or_default());
        let keys = [config::key(&org_id), role::key(&org_id, &role_name), id.key()];
        let [config, role, named_record] = storage::entries(context, keys.each_ref().map(|key| Some(key.as_str())))?;
        if let Some(config) = config {
            return Ok(Known {
                config: config::of_entry(context, &config, &org_id)?,
                along: Some(Along { role, named_record }),
            });
        }
    }
    let target = target::in_body(context, data)?;
    let config = target.config.ok_or_else(|| unknown_org("org_id", target.org_id.as_str()))?;
    Ok(Known { config, along: None })
}

fn known_role(context: &Context<'_>, data: &FieldData, known: &Known) -> Result<Role, Error> {
    let Known { config, along } = known;
    let name = data.text("role_name").unwrap_or_default();
    if name.is_empty() {
        return Err(Error::mistake("missing `role_name`: give the name of a role of the organization"));
    }
    let (org_id, role_name) = (&config.org_id, RoleName::stored(name));
    let role = match along {
        Some(Along { role: Some(entry), .. }) => role::decode(entry, org_id, &role_name)?,
        Some(Along { role: None, .. }) => None,
        None => role::load(context, org_id, &role_name)?,
    };
    role.ok_or_else(|| unknown_role("role_name", config, name))
}

/// What a request for an unknown role is told.
pub(crate) fn unknown_role(field: &str, config: &OrgConfig, value: &str) -> Error {
    Error::mistake(format!(
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
            logical_name: record.logical_name_text(),
            generated_on: &record.generated_on,
            metadata: &record.metadata,
        }
    }
}

#[cfg(test)]
mod tests;
