//! `passes/:name`: a secret whose lease can be renewed, and which ends when its lease is revoked.
//!
//! A pass lives in the storage of the mount. An engine that creates something outside first stores a write-ahead entry
//! (`secrets_framework::wal`), so that a fault in between leaves nothing behind.

use std::time::Duration;

use secrets_framework::host::StorageEntry;
use secrets_framework::{
    Context, Error, FieldData, Lease, LeaseAnswer, Operation, OperationSpec, Path, Response, Secret, SecretKind,
    Segment,
};
use serde_json::{Map, Value, json};

use crate::greeting::{self, NAME};

pub(crate) const PASSES: Path = Path {
    pattern: &[Segment::Literal("passes"), Segment::Capture("name")],
    list: false,
    fields: &[NAME],
    operations: &[OperationSpec::new(Operation::Read, issue, "Make a pass for a visitor.")],
    existence_check: None,
    synopsis: "Make a pass for a visitor.",
    description: "Each read makes a pass of its own, which ends with its lease.",
};

/// The kind of secret that this engine leases.
pub(crate) const PASS: SecretKind = SecretKind { kind: "pass", renew: Some(renew), revoke };

pub(crate) const PREFIX: &str = "pass/";

fn issue(context: &Context<'_>, data: &FieldData) -> Result<Option<Response>, Error> {
    let name = data.text("name").unwrap_or_default();
    let Some(greeting) = greeting::find(context, name)? else {
        return Ok(Some(Response::error(format!("no greeting for `{name}`: write `greetings/{name}` first"))));
    };
    let mut random = [0; 16];
    context.host.random().fill(&mut random);
    let pass: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let value = name.as_bytes().to_vec();
    context.host.storage().put(StorageEntry { key: format!("{PREFIX}{pass}"), value, seal_wrap: true })?;
    let response = Response::json(&json!({ "pass": pass, "greeting": greeting }))?;
    Ok(Some(response.leased(leased(Map::from_iter([("pass".to_owned(), Value::from(pass))])))))
}

/// A renewal knows the lease only by its internal data, which the server returns.
fn renew(context: &Context<'_>, lease: &Lease) -> LeaseAnswer {
    if context.host.storage().get(&key(lease))?.is_none() {
        return Ok(Some(Response::error("the pass has ended: read another one")));
    }
    Ok(Some(Response::default().leased(leased(lease.internal_data.clone()))))
}

/// The server repeats a revocation after a fault, so revoking an ended pass succeeds.
fn revoke(context: &Context<'_>, lease: &Lease) -> LeaseAnswer {
    context.host.storage().delete(&key(lease))?;
    Ok(None)
}

fn leased(internal_data: Map<String, Value>) -> Secret {
    PASS.secret(Secret { ttl: TTL, max_ttl: MAX_TTL, renewable: true, internal_data })
}

fn key(lease: &Lease) -> String {
    let pass = lease.internal_data.get("pass").and_then(Value::as_str).unwrap_or_default();
    format!("{PREFIX}{pass}")
}

const TTL: Duration = Duration::from_secs(10 * 60);

/// The longest life of a pass, with all renewals.
const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);
