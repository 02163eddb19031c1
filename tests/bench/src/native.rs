//! The engine in this process without a component, for comparison.

use anyhow::{Context, bail};
use astra_secrets::BACKEND;
use secrets_framework::testing::{TestHost, request};
use secrets_framework::{Operation, Request};
use serde_json::{Value, json};

/// An organization that exists only here. Its token is never used.
pub(crate) const ORG: &str = "5d5b9ad5-4ca9-4a7e-a1d6-3ab7d93e5a52";

/// Path of the measured request, which reads storage once.
pub(crate) fn role_path() -> String {
    format!("roles/{ORG}/reader")
}

/// A mount with a config and a role that the engine itself wrote.
pub(crate) fn configured() -> anyhow::Result<TestHost> {
    let host = TestHost::new();
    let token = format!("AstraCS:{}:{}", "a".repeat(24), "0".repeat(64));
    let config = json!({"org_id": ORG, "astra_token": token, "verify": false});
    write(&host, &format!("config/{ORG}"), config)?;
    write(&host, &role_path(), json!({"role_id": "ad0566b5-2a67-49de-89e8-92258c2f2c98", "ttl": "1h"}))?;
    Ok(host)
}

fn write(host: &TestHost, path: &str, data: Value) -> anyhow::Result<()> {
    let answer = BACKEND.handle(host, &request(Operation::Create, path, data));
    answer.map(drop).with_context(|| format!("failed to write `{path}`"))
}

/// The measured request.
pub(crate) fn read_role() -> Request {
    request(Operation::Read, &role_path(), Value::Null)
}

/// Sends the request once; fails unless the role comes back.
pub(crate) fn handle(host: &TestHost, request: &Request) -> anyhow::Result<()> {
    let answer = BACKEND.handle(host, request).context("failed to read the role")?;
    if answer.and_then(|answer| answer.data).is_none() {
        bail!("the role is not there");
    }
    Ok(())
}
