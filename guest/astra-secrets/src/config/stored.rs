//! The storage form of a config: the Go plugin's JSON, our fields beside its,
//! and fields that neither knows kept. Reading is lenient, for an old mount
//! must go on working; the only place that writes an admin token out.

use secrets_framework::Error;
use secrets_framework::host::StorageEntry;
use serde_json::{Map, Value};

use crate::names::{AstraRoleId, LogicalName, OrgId};
use crate::schedule::Schedule;

use crate::storage::json::{nanoseconds, set_duration, take_count, take_duration, take_role_ids, take_text};

use super::{AdminToken, ApiUrl, CallerMode, OrgConfig, RotationState};

/// The entry of a config, seal-wrapped.
pub(super) fn encode(config: &OrgConfig) -> Result<StorageEntry, Error> {
    Ok(StorageEntry::json(super::key(&config.org_id), &to_map(config))?.sealed())
}

/// The config that an entry holds.
pub(crate) fn decode(entry: &StorageEntry, org_id: &OrgId) -> Result<OrgConfig, Error> {
    // The parser's own message could quote the token, so it is left out.
    match serde_json::from_slice(&entry.value) {
        Ok(Value::Object(map)) => match fault(&map) {
            Some(name) => Err(Error::Internal(format!(
                "the stored config of organization `{org_id}` is damaged: its `{name}` is not text"
            ))),
            None => Ok(from_map(map, org_id)),
        },
        _ => Err(Error::Internal(format!("the stored config of organization `{org_id}` is damaged: it is not JSON"))),
    }
}

/// The name of a field by which requests are sent and that is no text: taken for absent, another `url` would get the
/// token.
pub(super) fn fault(map: &Map<String, Value>) -> Option<&str> {
    map.iter().find(|(name, value)| is_of_wrong_type(name, value)).map(|(name, _)| name.as_str())
}

/// Is it what a request is sent by, and no text?
fn is_of_wrong_type(name: &str, value: &Value) -> bool {
    matches!(name, "url" | "astra_token") && !(value.is_string() || value.is_null())
}

/// A config as JSON.
pub(super) fn to_map(config: &OrgConfig) -> Map<String, Value> {
    let mut map = config.other.clone();
    let mut set = |name: &str, value: Value| map.insert(name.to_owned(), value);
    set("astra_token", config.admin_token.expose().into());
    set("url", config.url.to_string().into());
    set("org_id", config.org_id.as_str().into());
    set("logical_name", config.logical_name_text().into());
    set("caller_mode", config.caller_mode.number().into());
    if !config.allowed_role_ids.is_empty() {
        set("allowed_role_ids", config.allowed_role_ids.iter().map(AstraRoleId::as_str).collect());
    }
    if !config.description.is_empty() {
        set("description", config.description.as_str().into());
    }
    if let Some(timeout) = config.request_timeout_set {
        set("request_timeout", nanoseconds(timeout).into());
    }
    if let Some(retries) = config.max_retries_set {
        set("max_retries", retries.into());
    }
    match &config.rotation {
        Some(Schedule::Period(period)) => set_duration(&mut map, "rotation_period", *period),
        Some(Schedule::Cron { expression, window }) => {
            map.insert("rotation_schedule".to_owned(), expression.as_str().into());
            set_duration(&mut map, "rotation_window", window.unwrap_or_default());
        }
        None => {}
    }
    if let Some(grace) = config.rotation_grace_period_set {
        map.insert("rotation_grace_period".to_owned(), nanoseconds(grace).into());
    }
    set_duration(&mut map, "tidy_period", config.tidy_period);
    if config.tidy_due != 0 {
        map.insert("tidy_due".to_owned(), config.tidy_due.into());
    }
    if config.rotation_state != RotationState::default()
        && let Ok(state) = serde_json::to_value(&config.rotation_state)
    {
        map.insert("rotation_state".to_owned(), state);
    }
    if let Some(max_tokens) = config.max_tokens {
        map.insert("max_tokens".to_owned(), max_tokens.into());
    }
    if !config.record_reads {
        map.insert("record_reads".to_owned(), false.into());
    }
    map
}

/// A config from JSON; what is missing or odd gets its default.
pub(super) fn from_map(mut map: Map<String, Value>, org_id: &OrgId) -> OrgConfig {
    let admin_token = AdminToken::stored(take_text(&mut map, "astra_token"));
    let mut config = OrgConfig::new(org_id.clone(), admin_token);
    config.url = ApiUrl::stored(&take_text(&mut map, "url"));
    // The key is the truth; the field is rewritten from it.
    map.remove("org_id");
    config.logical_name =
        Some(take_text(&mut map, "logical_name")).filter(|name| !name.is_empty()).map(LogicalName::stored);
    config.caller_mode = CallerMode::from_number(map.remove("caller_mode").and_then(|value| value.as_i64()));
    config.allowed_role_ids = take_role_ids(&mut map, "allowed_role_ids");
    config.description = take_text(&mut map, "description");
    config.request_timeout_set = take_duration(&mut map, "request_timeout");
    config.max_retries_set =
        map.remove("max_retries").and_then(|value| value.as_u64()).and_then(|retries| u32::try_from(retries).ok());
    let period = take_duration(&mut map, "rotation_period").unwrap_or_default();
    let expression = take_text(&mut map, "rotation_schedule");
    let window = take_duration(&mut map, "rotation_window").unwrap_or_default();
    config.rotation = Schedule::stored(period, &expression, window);
    config.rotation_grace_period_set = take_duration(&mut map, "rotation_grace_period");
    config.rotation_state =
        map.remove("rotation_state").and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default();
    config.tidy_period = take_duration(&mut map, "tidy_period").unwrap_or_default();
    config.tidy_due = map.remove("tidy_due").and_then(|value| value.as_u64()).unwrap_or_default();
    config.max_tokens = take_count(&mut map, "max_tokens");
    config.record_reads = map.remove("record_reads").and_then(|value| value.as_bool()).unwrap_or(true);
    config.other = map;
    config
}

impl CallerMode {
    /// As the Go plugin stores it.
    fn number(self) -> i64 {
        match self {
            Self::Standard => 1,
            Self::Sidecar => 2,
        }
    }

    /// Anything else is what the Go plugin took for its default.
    fn from_number(number: Option<i64>) -> Self {
        match number {
            Some(2) => Self::Sidecar,
            _ => Self::Standard,
        }
    }
}
