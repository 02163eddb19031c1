//! The fields of a static role: their rows in the path table, and their
//! parsing into [`Changes`].

use std::time::Duration;

use secrets_framework::{Field, FieldData, FieldType};

use super::NAME;
use crate::config::AdminToken;
use crate::limits::SCHEDULE_PERIOD_MAX;
use crate::names::{AstraRoleId, NameError};
use crate::path_config::fields::{ORG, parse_description, parse_role_ids, sent};
use crate::role::go_text;
use crate::schedule::Schedule;
use crate::schedule::fields::{ROTATION_PERIOD, ROTATION_SCHEDULE, ROTATION_WINDOW, ScheduleChange};
use crate::static_role::StaticRole;

/// What a write changes: only the fields that were sent.
#[derive(Debug)]
pub(super) struct Changes {
    /// New Astra roles, at least one.
    pub(super) role_ids: Option<Vec<AstraRoleId>>,
    schedule: ScheduleChange,
    grace_period: Option<Duration>,
    description: Option<String>,
    /// An existing token that the role takes over.
    pub(super) token: Option<AdminToken>,
}

impl Changes {
    /// The changes that a write asks for.
    pub(super) fn parse(data: &FieldData) -> Result<Self, NameError> {
        Ok(Self {
            role_ids: sent(data, "role_ids", FieldData::strings).map(parse_roles).transpose()?,
            schedule: ScheduleChange::of(data),
            grace_period: sent(data, "grace_period", FieldData::seconds).map(parse_grace_period).transpose()?,
            description: sent(data, "description", FieldData::text).map(parse_description).transpose()?,
            token: sent(data, TOKEN.name, FieldData::text)
                .map(|text| AdminToken::parse(TOKEN.name, text))
                .transpose()?,
        })
    }

    /// Makes the changes; answers what the caller is to be told. A schedule
    /// that changes counts from the last rotation.
    pub(super) fn apply(self, role: &mut StaticRole, now: u64) -> Result<Vec<String>, NameError> {
        let Some(schedule) = self.schedule.applied_to(role.schedule.as_ref())? else {
            return Err(NameError::hidden(
                "rotation_period",
                "is missing, and so is `rotation_schedule`: give one of them, for a static role rotates itself",
            ));
        };
        let mut warnings = Vec::new();
        role.grace_period = grace_period(self.grace_period, role.grace_period, &schedule, now, &mut warnings)?;
        role.set_schedule(schedule, now);
        if let Some(role_ids) = self.role_ids {
            if role.client_id.is_some() && role.role_ids != role_ids {
                warnings.push(format!(
                    "`role_ids` are those of the next token: the current one keeps its own until it rotates; write \
                     `rotate-role/{}/{}` to rotate it now",
                    role.org_id, role.name
                ));
            }
            role.role_ids = role_ids;
        }
        role.description = self.description.unwrap_or(std::mem::take(&mut role.description));
        Ok(warnings)
    }
}

/// A replaced token may not outlive the one that replaced it.
fn grace_period(
    sent: Option<Duration>,
    before: Duration,
    schedule: &Schedule,
    now: u64,
    warnings: &mut Vec<String>,
) -> Result<Duration, NameError> {
    let pause = schedule.shortest_pause(now).unwrap_or(Duration::MAX);
    let grace = sent.unwrap_or(before);
    if grace > pause && sent.is_some() {
        let reason = format!("must be at most the {} between two rotations", go_text(pause));
        return Err(NameError::new("grace_period", &go_text(grace), &reason));
    }
    if grace > pause {
        warnings.push(format!(
            "`grace_period` of {} is longer than the {} between two rotations: it was set to {}",
            go_text(grace),
            go_text(pause),
            go_text(pause)
        ));
    }
    if sent == Some(Duration::ZERO) {
        warnings.push(
            "`grace_period` is 0: a token ends as soon as it is replaced, and with it the requests of clients that \
             read it before"
                .to_owned(),
        );
    }
    Ok(grace.min(pause))
}

fn parse_roles(texts: &[String]) -> Result<Vec<AstraRoleId>, NameError> {
    let ids = parse_role_ids("role_ids", texts)?;
    if ids.is_empty() {
        return Err(NameError::hidden("role_ids", "is empty: give the ID of at least one Astra role"));
    }
    Ok(ids)
}

fn parse_grace_period(seconds: i64) -> Result<Duration, NameError> {
    let grace = u64::try_from(seconds).map(Duration::from_secs).ok();
    grace
        .filter(|grace| *grace <= SCHEDULE_PERIOD_MAX)
        .ok_or_else(|| NameError::new("grace_period", &format!("{seconds} s"), "must be from 0 to 10 years"))
}

const ROLE_IDS: Field = Field::new(
    "role_ids",
    FieldType::CommaStringSlice,
    "IDs of the Astra roles that its tokens get. Required when the static role is created. A change is for the next token.",
);

const GRACE_PERIOD: Field = Field::new(
    "grace_period",
    FieldType::SignedDurationSecond,
    "How long a replaced token lives on, so that clients that read it go on working; at most the time between two rotations.",
)
.or("1h");

const DESCRIPTION: Field = Field::new(
    "description",
    FieldType::String,
    "Template of a token's description in Astra, at most 256 bytes; empty = the config's. In double braces: mount, org, role (the static role's name), display_name, entity_id, request_id. The mark by which the engine finds its tokens is always appended.",
);

const TOKEN: Field = Field::new(
    "token",
    FieldType::String,
    "An existing token, `AstraCS:<client id>:<rest>`, that the role takes over instead of making its first one; only when the role is created. It must work, be in Astra's list and have exactly the roles `role_ids`. From then on it is the mount's: it is replaced when it is due, and ended with the role. Its client secret is not known until then.",
);

/// Fields of `static-roles/:org/:name`.
pub(super) const STATIC_ROLE_FIELDS: &[Field] =
    &[ORG, NAME, ROLE_IDS, ROTATION_PERIOD, ROTATION_SCHEDULE, ROTATION_WINDOW, GRACE_PERIOD, DESCRIPTION, TOKEN];
