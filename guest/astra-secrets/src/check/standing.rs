//! How an organization stands by what the mount itself knows: open write-ahead entries, scheduled work.

use secrets_framework::{Context, Error};

use super::Item;
use crate::config::OrgConfig;
use crate::held_tokens::HeldTokens;
use crate::limits::{CHECK_NAMES_SHOWN_MAX, CHECKED_ROLES_MAX, OVERDUE_AFTER};
use crate::mint::{self, OpenMarks};
use crate::names::{OrgId, RoleName};
use crate::read_only;
use crate::role::go_text;
use crate::static_role::{self, StaticRole};
use crate::tidy::{load_result, load_run};
use crate::time_text;

/// The organization's open write-ahead entries; the sentence where there are too many to look at.
pub(super) fn open_entries(context: &Context<'_>, config: &OrgConfig) -> Result<Result<OpenMarks, String>, Error> {
    match mint::open_marks(context, &config.org_id) {
        Err(Error::Internal(sentence)) => Ok(Err(sentence)),
        open => open.map(Ok),
    }
}

/// Do mints that failed come to their end?
pub(super) fn pending_wal(context: &Context<'_>, open: Result<&OpenMarks, &String>) -> Item {
    let open = match open {
        Ok(open) => &open.marks,
        Err(sentence) => return Item::no(format!("{sentence}: see the server's log")),
    };
    let count = open.len();
    let age_max = context.host.system_view().wal_minimum_age() + OVERDUE_AFTER;
    let since = context.now().saturating_sub(age_max).as_secs();
    let old = open.values().filter(|noted| **noted < since).count();
    match (count, old) {
        (0, _) => Item::yes("No write-ahead entry is open."),
        (_, 0) => Item::yes(format!("{count} open write-ahead entries, none of them for long.")),
        _ if read_only::is_read_only(context) => {
            Item::unknown(format!("{count} open write-ahead entries are kept: {}.", read_only::CAUSE))
        }
        _ => Item::no(format!(
            "{count} open write-ahead entries, {old} of them for more than {}: rollback cannot undo them, the server's log says why.",
            go_text(age_max)
        )),
    }
}

/// An organization's static roles, as many as are looked at.
pub(super) struct StaticRoles {
    pub(super) read: Vec<StaticRole>,
    damaged: Vec<String>,
    count: usize,
}

impl StaticRoles {
    /// Reads them.
    pub(super) fn load(context: &Context<'_>, config: &OrgConfig) -> Result<Self, Error> {
        let org_id = &config.org_id;
        let names = static_role::names(context.storage(), org_id)?;
        let mut roles = Self { read: Vec::new(), damaged: Vec::new(), count: names.len() };
        for name in names.iter().take(CHECKED_ROLES_MAX) {
            match static_role::load_own(context, org_id, name)? {
                Ok(role) => roles.read.extend(role),
                Err(_) => roles.damaged.push(name.to_string()),
            }
        }
        Ok(roles)
    }

    /// The tokens of those that were read, to be compared with Astra's list.
    pub(super) fn held_tokens(&self, context: &Context<'_>, config: &OrgConfig) -> Result<HeldTokens, Error> {
        let names: Vec<RoleName> = self.read.iter().map(|role| role.name.clone()).collect();
        HeldTokens::load(context, &config.org_id, &names)
    }

    /// Do they rotate in time?
    pub(super) fn rotate_in_time(&self, context: &Context<'_>) -> Item {
        let now = context.now().as_secs();
        let is_overdue = |role: &StaticRole| role.turn.due + OVERDUE_AFTER.as_secs() < now;
        let waits = read_only::is_read_only(context);
        let overdue = |role: &StaticRole| {
            let at = time_text::of_seconds(role.turn.due).unwrap_or_default();
            let sentence = format!(
                "static role `{}` was due at {at} and was not rotated: see whether the server calls rollback",
                role.name
            );
            (is_overdue(role) && !waits).then_some(sentence)
        };
        let mut troubles: Vec<String> =
            self.read.iter().filter_map(|role| role.trouble(now).or_else(|| overdue(role))).collect();
        troubles.extend(
            self.damaged
                .iter()
                .map(|name| format!("static role `{name}` cannot be read: delete it, and write it anew")),
        );
        let (count, troubled) = (self.count, troubles.len());
        troubles.truncate(CHECK_NAMES_SHOWN_MAX);
        if troubled > 0 {
            return Item::no(format!("{troubled} of {count} static roles are in trouble: {}", troubles.join("; ")));
        }
        let waiting = self.read.iter().filter(|role| waits && is_overdue(role)).count();
        if waiting > 0 {
            return Item::unknown(format!("{waiting} of {count} static roles are due and wait: {}", read_only::CAUSE));
        }
        if count > CHECKED_ROLES_MAX {
            return Item::unknown(format!("The first {CHECKED_ROLES_MAX} of {count} static roles rotate in time"));
        }
        Item::yes(format!("All of {count} static roles rotate in time"))
    }
}

/// How does the rotation of the admin token stand?
pub(super) fn rotation(context: &Context<'_>, config: &OrgConfig) -> Item {
    let (org_id, state, turn) = (&config.org_id, &config.rotation_state, &config.rotation_state.turn);
    let now = context.now().as_secs();
    let last = match time_text::of_seconds(state.rotated) {
        Some(at) => format!("The admin token was last rotated at {at}"),
        None => "The admin token has not been rotated since it was written".to_owned(),
    };
    if turn.failures > 0 {
        let again = match time_text::of_seconds(turn.due) {
            Some(at) => format!("It is tried again at {at}"),
            None => format!("It is not tried again by itself: write `config/{org_id}/rotate-root`"),
        };
        return Item::no(format!(
            "The rotation of the admin token has failed {} times, last at {}: {}. {again}.",
            turn.failures,
            time_text::of_seconds(state.failed).unwrap_or_default(),
            turn.error,
        ));
    }
    let Some(schedule) = &config.rotation else {
        return Item::yes(format!(
            "{last}; it does not rotate by itself: set `rotation_period` or `rotation_schedule`, or write `config/{org_id}/rotate-root`."
        ));
    };
    if schedule.next_after(now).is_none() {
        return Item::no("The rotation of the admin token never fires: write another `rotation_schedule`.");
    }
    if turn.due == 0 {
        return Item::no(no_time("rotation", org_id));
    }
    due_item(context, &last, turn.due, "rotation")
}

/// How does the scheduled tidy stand?
pub(super) fn tidy(context: &Context<'_>, config: &OrgConfig) -> Result<Item, Error> {
    let org_id = &config.org_id;
    let result = load_result(context, org_id)?;
    let now = context.now().as_secs();
    let last = match result.as_ref().and_then(|result| time_text::of_seconds(result.at)) {
        Some(at) => format!("The organization was last tidied at {at}"),
        None => "The organization has not been tidied yet".to_owned(),
    };
    if let Some(failed) = result.as_ref().and_then(|result| result.failed.as_deref()) {
        return Ok(Item::no(format!(
            "{last}, and that failed: {failed}. When that is repaired, write `tidy` with `org_id={org_id}`."
        )));
    }
    let died = load_run(context)?.is_some_and(|run| run.ended == 0 && run.began + OVERDUE_AFTER.as_secs() < now);
    if died {
        return Ok(Item::no(format!("{last}; the last run did not come to its end: tidy again.")));
    }
    if config.tidy_period.is_zero() {
        return Ok(Item::yes(format!("{last}; it is not by itself: set `tidy_period`, or write `tidy`.")));
    }
    if config.tidy_due == 0 {
        return Ok(Item::no(no_time("tidy", org_id)));
    }
    Ok(due_item(context, &last, config.tidy_due, "tidy"))
}

/// Only damage leaves what has a period without a time; each write of a config sets it.
fn no_time(what: &str, org_id: &OrgId) -> String {
    format!("The {what} has no time at which it comes: write any field of `config/{org_id}` again.")
}

/// What is to come next, or ought to have come.
fn due_item(context: &Context<'_>, last: &str, due: u64, what: &str) -> Item {
    let now = context.now().as_secs();
    let at = time_text::of_seconds(due).unwrap_or_default();
    if due + OVERDUE_AFTER.as_secs() < now && read_only::is_read_only(context) {
        return Item::unknown(format!("{last}; the next {what} was due at {at} and waits: {}.", read_only::CAUSE));
    }
    if due + OVERDUE_AFTER.as_secs() < now {
        return Item::no(format!(
            "{last}; the next {what} was due at {at} and has not begun: see whether the server calls rollback."
        ));
    }
    Item::yes(format!("{last}; the next {what} is due at {at}."))
}
