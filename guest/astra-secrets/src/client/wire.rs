//! Astra's JSON: what we send, and what we take from answers. Strict in what
//! we need, tolerant in all else, as Astra's answers vary. Nothing here quotes
//! a body: serde's own messages would, so they are dropped.

use std::time::Duration;

use secrets_framework::Sensitive;
use secrets_framework::host::StreamedResponse;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::error::{AnsweredBy, ClientError};
use super::retry::parse_retry_after;
use crate::limits::{CLIENT_ID_BYTES_MAX, ERROR_BODY_BYTES_MAX};
use crate::mark::has_mark;
use crate::names::{ClientId, OrgId, is_uuid};
use crate::time_text;

/// A token to ask for.
#[derive(Serialize)]
pub(crate) struct TokenRequest<'a> {
    /// IDs of Astra roles.
    pub(crate) roles: &'a [String],
    /// Ends in the mark of this mint.
    pub(crate) description: &'a str,
    /// RFC 3339; none = the organization's own maximum.
    #[serde(rename = "tokenExpiry", skip_serializing_if = "Option::is_none")]
    pub(crate) expiry: Option<&'a str>,
}

/// A token as Astra just made it.
#[derive(Debug)]
pub(crate) struct CreatedToken {
    /// Its ID; case matters.
    pub(crate) client_id: ClientId,
    /// The secret half, which CQL drivers want.
    pub(crate) secret: Sensitive,
    /// The token.
    pub(crate) token: Sensitive,
    /// When Astra made it, in Astra's words; empty where it does not say.
    pub(crate) generated_on: String,
    /// When Astra ends it, RFC 3339, where it says so.
    pub(crate) expires_at: Option<String>,
}

/// A token as the list shows it.
#[derive(Debug, Deserialize)]
pub(crate) struct ListedToken {
    /// Its ID; case matters.
    #[serde(rename = "clientId")]
    pub(crate) client_id: ClientId,
    /// Ends in our mark if we made it.
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// IDs of its Astra roles; none where the list does not say.
    #[serde(default, deserialize_with = "texts")]
    pub(crate) roles: Option<Vec<String>>,
    /// When Astra made it, since 1970-01-01T00:00:00Z; none where the list does not say, or not readably.
    #[serde(rename = "generatedOn", default, deserialize_with = "time")]
    pub(crate) generated_on: Option<Duration>,
    /// When Astra ends it, since then; none = never, or not said.
    #[serde(rename = "tokenExpiry", default, deserialize_with = "time")]
    pub(crate) expiry: Option<Duration>,
}

impl ListedToken {
    /// Was it made by the mint with this mark?
    pub(crate) fn has_mark(&self, mark: &str) -> bool {
        self.description.as_deref().is_some_and(|description| has_mark(description, mark))
    }
}

/// A role as Astra lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedRole {
    /// Its ID.
    pub(crate) id: String,
    /// Its name, which may hold spaces and slashes.
    pub(crate) name: String,
    /// What its policy reaches; nothing where the policy has another form.
    pub(crate) resources: Vec<String>,
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "clientId")]
    client_id: ClientId,
    #[serde(deserialize_with = "sensitive")]
    secret: Sensitive,
    #[serde(deserialize_with = "sensitive")]
    token: Sensitive,
    #[serde(rename = "orgId", default)]
    org_id: Option<String>,
    #[serde(default)]
    roles: Option<Vec<String>>,
    #[serde(rename = "generatedOn", default)]
    generated_on: Value,
    #[serde(rename = "tokenExpiry", default)]
    expiry: Value,
}

#[derive(Deserialize)]
struct CurrentOrg {
    id: String,
}

/// Sorts an answer by its status: `Ok` on any 2xx, of which only the head has been read.
pub(super) fn check_status(response: StreamedResponse<'_>) -> Result<StreamedResponse<'_>, ClientError> {
    let status = response.status;
    if (200..=299).contains(&status) {
        return Ok(response);
    }
    let retry_after = response.retry_after.as_deref().and_then(parse_retry_after);
    // Also where the number does not matter: a body that is left unread costs its connection.
    let errors = astra_errors(response);
    let error_id = errors.as_ref().and_then(error_id);
    let by = if errors.is_some() { AnsweredBy::Astra } else { AnsweredBy::Gateway };
    Err(match status {
        401 | 403 => ClientError::Refused { status, error_id },
        404 => ClientError::NotFound,
        429 => ClientError::RateLimited { retry_after, by },
        400..=499 => ClientError::Rejected { status, error_id },
        500..=599 => ClientError::Failing { status, retry_after, by },
        _ => ClientError::Unexpected { status },
    })
}

/// The body of a POST.
pub(super) fn write_token_request(wanted: &TokenRequest<'_>) -> Result<Vec<u8>, ClientError> {
    // Text and lists of text cannot fail; no panic for what cannot be.
    serde_json::to_vec(wanted).map_err(|_| ClientError::Nonsense { reason: "the request could not be written" })
}

/// The answer to a POST, if it is a whole token of what was asked for.
pub(super) fn read_created(
    body: &[u8],
    wanted: &TokenRequest<'_>,
    org_id: &OrgId,
) -> Result<CreatedToken, ClientError> {
    let created: Created = read_object(body, "it is not a whole token")?;
    check_client_id(&created.client_id)?;
    if created.secret.expose().is_empty() || created.token.expose().is_empty() {
        return Err(ClientError::Nonsense { reason: "its `secret` or `token` is empty" });
    }
    // Old mounts may know an organization by another name than Astra's UUID.
    let other_org = created.org_id.is_some_and(|id| !id.eq_ignore_ascii_case(org_id.as_str()));
    if other_org && is_uuid(org_id.as_str()) {
        return Err(ClientError::Nonsense { reason: "its `orgId` is another organization's" });
    }
    if created.roles.is_some_and(|roles| !same_roles(&roles, wanted.roles)) {
        return Err(ClientError::Nonsense { reason: "its `roles` are not those asked for" });
    }
    Ok(CreatedToken {
        client_id: created.client_id,
        secret: created.secret,
        token: created.token,
        generated_on: created.generated_on.as_str().unwrap_or_default().to_owned(),
        expires_at: created.expiry.as_str().filter(|text| !text.is_empty()).map(str::to_owned),
    })
}

/// The answer to `currentOrg`.
pub(super) fn read_current_org(body: &[u8]) -> Result<String, ClientError> {
    let org: CurrentOrg = read_object(body, "it names no organization")?;
    if org.id.is_empty() {
        return Err(ClientError::Nonsense { reason: "it names no organization" });
    }
    Ok(org.id)
}

/// The answer to a list of roles: field names in any letter case.
pub(super) fn read_roles(body: &[u8]) -> Result<Vec<ListedRole>, ClientError> {
    let nonsense = || ClientError::Nonsense { reason: "it is not a list of roles" };
    let roles: Vec<Map<String, Value>> = serde_json::from_slice(body).map_err(|_| nonsense())?;
    let text = |role: &Map<String, Value>, name: &str| {
        member(role, name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let read = |role: &Map<String, Value>| {
        let resources = member(role, "policy").and_then(resources).unwrap_or_default();
        Some(ListedRole { id: text(role, "id")?, name: text(role, "name")?, resources })
    };
    roles.iter().map(|role| read(role).ok_or_else(nonsense)).collect()
}

/// The resources of a policy, which is an object or the text of one.
fn resources(policy: &Value) -> Option<Vec<String>> {
    let of_object = |policy: &Map<String, Value>| {
        let all = member(policy, "resources")?.as_array()?;
        Some(all.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    };
    match policy {
        Value::Object(policy) => of_object(policy),
        Value::String(text) => of_object(&serde_json::from_str(text).ok()?),
        _ => None,
    }
}

/// The member of an object, its name in any letter case.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The list in the body of one of Astra's errors, `{"errors":[{"ID":340002}]}`; none = the body has another form.
///
/// The status says what happened, so a body that is too large or cannot be read changes nothing.
fn astra_errors(response: StreamedResponse<'_>) -> Option<Value> {
    let whole = response.read_whole(ERROR_BODY_BYTES_MAX).ok()?;
    let mut body: Value = serde_json::from_slice(whole.body.expose()).ok()?;
    body.get_mut("errors").filter(|errors| errors.is_array()).map(Value::take)
}

/// Astra's own number of the first error, where there is one.
fn error_id(errors: &Value) -> Option<i64> {
    let first = errors.get(0)?.as_object()?;
    first.iter().find(|(key, _)| key.eq_ignore_ascii_case("id"))?.1.as_i64()
}

/// Derived readers take an array for an object; Astra's answers are objects.
fn read_object<T: for<'de> Deserialize<'de>>(body: &[u8], reason: &'static str) -> Result<T, ClientError> {
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let read = if is_object { serde_json::from_slice(body).ok() } else { None };
    read.ok_or(ClientError::Nonsense { reason })
}

fn sensitive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Sensitive, D::Error> {
    String::deserialize(deserializer).map(Sensitive::new)
}

/// A list of texts; whatever else stands there is as if absent.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let Value::Array(items) = Value::deserialize(deserializer)? else { return Ok(None) };
    let text = |item| if let Value::String(text) = item { Some(text) } else { None };
    Ok(items.into_iter().map(text).collect())
}

/// A time as RFC 3339; whatever else stands there is as if absent.
fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_str().and_then(time_text::parse))
}

/// A client ID goes into storage keys and URLs, so it must be plain.
fn check_client_id(client_id: &ClientId) -> Result<(), ClientError> {
    let plain = client_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain && !client_id.is_empty() && client_id.len() <= CLIENT_ID_BYTES_MAX {
        return Ok(());
    }
    Err(ClientError::Nonsense { reason: "its `clientId` is not an ID" })
}

fn same_roles(made: &[String], wanted: &[String]) -> bool {
    let contains = |list: &[String], id: &String| list.iter().any(|other| other.eq_ignore_ascii_case(id));
    made.iter().all(|id| contains(wanted, id)) && wanted.iter().all(|id| contains(made, id))
}
