//! The fields of a config parsed into [`Changes`], once for both spellings of
//! the path.

use std::time::Duration;

use secrets_framework::FieldData;

pub(crate) use super::rows::{MAX_TOKENS, ORG, ORG_ID};

use crate::config::{AdminToken, ApiUrl, CallerMode, OrgConfig};
use crate::limits::{
    DESCRIPTION_BYTES_MAX, MAX_TOKENS_MAX, REQUEST_TIMEOUT_MAX, RETRIES_MAX, ROLE_IDS_MAX, ROTATION_GRACE_DEFAULT,
    SCHEDULE_PERIOD_MAX, SCHEDULE_PERIOD_MIN,
};
use crate::mint;
use crate::names::{AstraRoleId, LogicalName, NameError};
use crate::role::go_text;
use crate::schedule::Schedule;
use crate::schedule::fields::ScheduleChange;

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
    rotation: ScheduleChange,
    rotation_grace_period: Option<Duration>,
    tidy_period: Option<Duration>,
    record_reads: Option<bool>,
    max_tokens: Option<Option<u32>>,
}

/// When the admin token is rotated, and how long the old one lives on.
#[derive(Debug)]
pub(crate) struct Rotation {
    schedule: Option<Schedule>,
    grace: Option<Duration>,
}

impl Changes {
    /// The changes that a write asks for.
    pub(crate) fn parse(data: &FieldData) -> Result<Self, NameError> {
        let sent = |name: &str| sent(data, name, FieldData::text);
        Ok(Self {
            admin_token: sent("astra_token").map(|text| AdminToken::parse("astra_token", text)).transpose()?,
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
            rotation: ScheduleChange::of(data),
            rotation_grace_period: self::sent(data, "rotation_grace_period", FieldData::seconds)
                .map(parse_grace)
                .transpose()?,
            tidy_period: self::sent(data, "tidy_period", FieldData::seconds).map(parse_tidy_period).transpose()?,
            record_reads: self::sent(data, "record_reads", FieldData::bool),
            max_tokens: self::sent(data, "max_tokens", FieldData::int).map(parse_max_tokens).transpose()?,
        })
    }

    /// The schedule and the grace period that they make of the stored ones, if
    /// those fit each other at `now` seconds.
    pub(crate) fn rotation(&self, stored: Option<&OrgConfig>, now: u64) -> Result<Rotation, NameError> {
        let schedule = self.rotation.applied_to(stored.and_then(|config| config.rotation.as_ref()))?;
        let grace = self.rotation_grace_period.or(stored.and_then(|config| config.rotation_grace_period_set));
        if !self.rotation.is_empty() || self.rotation_grace_period.is_some() {
            check_grace(grace.unwrap_or(ROTATION_GRACE_DEFAULT), schedule.as_ref(), now)?;
        }
        Ok(Rotation { schedule, grace })
    }

    /// Makes the changes.
    pub(crate) fn apply(self, config: &mut OrgConfig, now: u64) -> Result<(), NameError> {
        let Rotation { schedule, grace } = self.rotation(Some(config), now)?;
        config.rotation = schedule;
        config.rotation_grace_period_set = grace;
        set(&mut config.admin_token, self.admin_token);
        set(&mut config.url, self.url);
        set(&mut config.logical_name, self.logical_name);
        set(&mut config.caller_mode, self.caller_mode);
        set(&mut config.allowed_role_ids, self.allowed_role_ids);
        set(&mut config.description, self.description);
        set(&mut config.request_timeout_set, self.request_timeout);
        set(&mut config.max_retries_set, self.max_retries.map(Some));
        set(&mut config.tidy_period, self.tidy_period);
        set(&mut config.record_reads, self.record_reads);
        set(&mut config.max_tokens, self.max_tokens);
        Ok(())
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

/// How many leased tokens may be alive, as config and role take it; none = any number.
pub(crate) fn parse_max_tokens(number: i64) -> Result<Option<u32>, NameError> {
    let count = u32::try_from(number).ok().filter(|count| *count <= MAX_TOKENS_MAX).ok_or_else(|| {
        let reason = format!("must be from 0, which means any number, to {MAX_TOKENS_MAX}");
        NameError::new("max_tokens", &number.to_string(), &reason)
    })?;
    Ok(Some(count).filter(|count| *count > 0))
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

fn parse_grace(seconds: i64) -> Result<Duration, NameError> {
    let grace = u64::try_from(seconds).map(Duration::from_secs).ok();
    grace
        .filter(|grace| *grace <= SCHEDULE_PERIOD_MAX)
        .ok_or_else(|| NameError::new("rotation_grace_period", &format!("{seconds} s"), "must be from 0 to 10 years"))
}

fn parse_tidy_period(seconds: i64) -> Result<Duration, NameError> {
    let period = u64::try_from(seconds).map(Duration::from_secs).ok();
    let fits = |period: &Duration| period.is_zero() || (SCHEDULE_PERIOD_MIN..=SCHEDULE_PERIOD_MAX).contains(period);
    period.filter(fits).ok_or_else(|| {
        NameError::new("tidy_period", &format!("{seconds} s"), "must be from 1 minute to 10 years, or 0 for never")
    })
}

/// With a longer grace period the old tokens would become more with each rotation.
fn check_grace(grace: Duration, schedule: Option<&Schedule>, now: u64) -> Result<(), NameError> {
    match schedule.and_then(|schedule| schedule.shortest_pause(now)) {
        Some(pause) if grace > pause => Err(NameError::new(
            "rotation_grace_period",
            &go_text(grace),
            &format!(
                "is longer than the shortest time between two rotations, {}: set a shorter one (left out, it is {})",
                go_text(pause),
                go_text(ROTATION_GRACE_DEFAULT)
            ),
        )),
        _ => Ok(()),
    }
}
