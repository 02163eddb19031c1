//! Every line that the engine writes to the log: its level, its message and its fields. An event has one line. A field that is
//! empty is left out. The operations page lists the lines.

use secrets_framework::Context;
use secrets_framework::host::{Host, LogLevel, log_line};
use secrets_framework::passed_over::{self, PassedOver};

/// A kind of line.
#[derive(Debug)]
pub(crate) struct Event {
    level: LogLevel,
    message: &'static str,
    fields: &'static [&'static str],
}

impl Event {
    /// Writes a line, with the fields that the list has. Nothing secret belongs in the line.
    pub(crate) fn log(&self, context: &Context<'_>, fields: &[(&str, &str)]) {
        self.log_on(context.host, fields);
    }

    /// Writes a line for each entry that no earlier request has logged.
    pub(crate) fn log_once(&self, context: &Context<'_>, entries: &[PassedOver]) {
        debug_assert_eq!((self.level, self.fields), (LogLevel::Error, ["key", "reason"].as_slice()));
        if passed_over::log_new(context, self.message, entries).is_err() {
            // The lines are written. A node that may not write storage cannot remember that, and logs the entries again.
        }
    }

    /// As [`Self::log`], where there is no request.
    pub(crate) fn log_on(&self, host: &dyn Host, fields: &[(&str, &str)]) {
        let is_listed = |(name, text): &&(&str, &str)| {
            let is_listed = self.fields.contains(name);
            debug_assert!(is_listed || text.is_empty(), "the line `{}` has no field `{name}`", self.message);
            is_listed
        };
        let fields: Vec<(&str, &str)> = fields.iter().filter(is_listed).copied().collect();
        log_line(host, self.level, self.message, &fields);
    }
}

macro_rules! events {
    ($($name:ident: $level:ident $message:literal [$($field:literal),*];)*) => {
        $(pub(crate) const $name: Event =
            Event { level: LogLevel::$level, message: $message, fields: &[$($field),*] };)*

        /// All of them.
        #[cfg(test)]
        const ALL: &[Event] = &[$($name),*];
    };
}

events! {
    TOKEN_MADE: Info "a token was made" ["org", "role", "client_id", "kind", "display_name", "entity_id", "request_id"];
    STATIC_TOKEN_MADE: Info "a token of a static role was made" ["org", "static_role", "client_id", "replaced", "display_name", "entity_id", "request_id"];
    STATIC_TOKEN_TAKEN_OVER: Info "a static role took a token over" ["org", "static_role", "client_id", "display_name", "entity_id", "request_id"];
    ADMIN_TOKEN_ROTATED: Info "an admin token was rotated" ["org", "client_id", "previous_client_id", "display_name", "entity_id", "request_id"];
    TOKEN_READ: Info "a token was read" ["org", "role", "static_role", "client_id", "kind", "display_name", "entity_id", "request_id"];
    LEASE_RENEWED: Info "a token's lease was renewed" ["org", "role", "client_id", "request_id"];
    TOKEN_REVOKED: Info "a token was revoked" ["org", "role", "client_id", "request_id"];
    EMPTY_LEASE_ENDED: Info "a lease that stood for no token was ended" ["org", "role", "client_id", "request_id"];
    LEASE_WITHOUT_RECORD: Error "a lease goes on without its record" ["error"];
    TOKEN_DELETED: Info "a token was deleted" ["org", "client_id", "display_name", "entity_id", "request_id"];
    LEASED_TOKEN_REMOVED: Info "a token whose lease had ended was removed" ["org", "role", "client_id", "kind"];
    REPLACED_TOKEN_REMOVED: Info "a replaced token was removed at the end of its grace period" ["org", "static_role", "client_id", "kind"];
    LEASED_TOKEN_NOT_REMOVED: Warn "a token whose lease has ended could not be removed yet" ["org", "role", "client_id", "kind", "error"];
    REPLACED_TOKEN_NOT_REMOVED: Warn "a replaced token could not be removed yet at the end of its grace period" ["org", "static_role", "client_id", "kind", "error"];
    ADMIN_TOKEN_USED_BY_ANOTHER_CONFIG: Warn "a replaced admin token was not removed, for another config of this mount uses the token: rotate the token of that config, too" ["org", "client_id", "used_by"];
    REPLACED_TOKEN_LEFT_TO_ROLLBACK: Warn "a replaced token was left to rollback" ["error"];
    RETIRED_ADMIN_TOKEN_KEPT: Info "the admin token of a config that was deleted or moved is kept, for it is still needed: it ends last" ["org", "client_id", "reason"];
    TOKENS_LEFT_BEHIND: Warn "tokens wait for their end while the mount is being moved or disabled: a disabled mount leaves them in Astra" ["tokens"];
    UNFINISHED_TOKEN_REMOVED: Warn "a token that a failed request left in Astra was removed" ["org", "client_id", "mark"];
    TOKEN_MAY_BE_LEFT: Warn "a token may have been left in Astra; rollback will remove it" ["org", "mark"];
    WRITE_AHEAD_ENTRY_LEFT: Debug "a write-ahead entry stays for rollback" ["error"];
    ORPHAN_REMOVED: Info "a token without a record was removed" ["org", "client_id", "mark"];
    TOKEN_FOUND_ELSEWHERE: Warn "a token was found in another organization of this mount and ended there" ["org", "client_id", "found_in"];
    TOKEN_TAKEN_FOR_ENDED: Warn "a token was taken for ended although organizations of this mount could not be asked for it: look for it there" ["org", "client_id", "not_asked"];
    LIST_NOT_READ: Info "Astra's list was not read for a token that may be gone: another request is reading it" ["org", "error"];
    LISTED_NOT_READ: Debug "what Astra's last list said could not be read" ["org", "error"];
    LISTED_NOT_KEPT: Debug "what Astra's list said could not be kept" ["org", "error"];
    CONFIG_WRITTEN: Info "a config was written" ["org"];
    CONFIG_DELETED: Info "a config was deleted" ["org", "kept_to_revoke"];
    RETIRED_CONFIG_GIVEN_UP: Warn "a damaged retired config was given up, for the config was deleted by force" ["org", "reason"];
    RETIRED_CONFIG_LEFT_TO_ROLLBACK: Warn "whether a retired config is still needed was left to rollback" ["org", "error"];
    DAMAGED_CONFIG_REPLACED: Warn "a write took the place of a config that could not be read" ["org", "error"];
    DAMAGED_CONFIG_DELETED: Warn "a config that could not be read was deleted by force: tokens of its organization are revoked when the config is written anew" ["org", "error"];
    CONFIG_PASSED_OVER: Error "a config was passed over" ["key", "reason"];
    ADMIN_TOKEN_REFUSED: Warn "Astra refused the admin token of an organization" ["org", "client_id", "error"];
    WARNING_NOT_NOTED: Warn "the time of a warning could not be stored, so the warning may come again within the hour" ["org", "error"];
    ADMIN_TOKEN_END_UNKNOWN: Warn "the end of an admin token could not be found out" ["org", "error"];
    ADMIN_ROTATION_MISSED: Warn "the rotation of an admin token missed its window and waits for the next" ["org"];
    STATIC_ROTATION_MISSED: Warn "a static role's rotation missed its window and waits for the next" ["org", "static_role"];
    ROTATION_BROUGHT_FORWARD: Info "a rotation was brought forward, for Astra ends the token before its time" ["org", "static_role", "client_id", "ends"];
    ROTATION_NOT_BROUGHT_FORWARD: Warn "a rotation that comes too late for its token could not be brought forward" ["org", "static_role", "client_id", "error"];
    STATIC_ROLE_DELETED: Info "a static role was deleted, and its tokens" ["org", "static_role", "display_name", "entity_id", "request_id"];
    STATIC_ROLE_FORGOTTEN: Info "a static role was forgotten with its organization's config; its token is about to end" ["org", "static_role", "display_name", "entity_id", "request_id"];
    STATIC_TOKEN_DEAD: Warn "the token of a static role has ended in Astra" ["org", "static_role", "client_id", "remedy"];
    STATIC_TOKEN_NOT_REPLACED: Warn "the dead token of a static role was not replaced yet" ["org", "static_role", "error"];
    STATIC_TOKENS_NOT_COMPARED: Warn "the tokens of static roles could not be compared with Astra's list" ["org", "error"];
    STATIC_ROLE_PASSED_OVER: Error "a static role was passed over" ["key", "reason"];
    STATIC_TOKENS_UNKNOWN: Error "a static role's tokens are not known" ["error"];
    STATIC_RECORD_UNREADABLE: Error "the record of a static role's token is not readable" ["key", "error"];
    ROLE_PASSED_OVER: Error "a role was passed over" ["key", "reason"];
    ASTRA_ROLES_NOT_NOTED: Debug "the Astra roles of an organization were not noted" ["org", "error"];
    INDEX_NOT_REPAIRED: Debug "the index was not repaired" ["error"];
    RECORD_PASSED_OVER: Error "a token's record was passed over" ["key", "error"];
    EMPTY_RECORD_REMOVED: Info "a record of the Go plugin that stands for no token was removed" ["org", "role", "key"];
    ROLES_NOT_COUNTED: Warn "the tokens of each role were not counted, and the metrics show the count before" ["error"];
    READS_WAIT: Debug "reads of a token wait for rollback" ["error"];
    HISTORY_NOT_STORED: Warn "a token has ended, and its history could not be stored" ["org", "client_id", "error"];
    RECORDS_UNREADABLE: Error "records of tokens cannot be read and were passed over" ["records", "error"];
    HISTORY_UNREADABLE: Error "a token's history is not readable, and is kept for as long as that of a token that ends now" ["key"];
    ENTITY_NAME_UNKNOWN: Warn "the name of an entity could not be had and is not noted" ["entity_id", "error"];
    TASK_FAILED: Warn "a scheduled task failed" ["task", "error"];
    DUE_KEPT: Info "rollback kept what is due, for Astra is read-only here" ["write_ahead_entries", "ended_tokens", "scheduled_tasks"];
    ORGANIZATION_TIDIED: Info "an organization was tidied" ["org", "dry_run", "orphans", "gone", "expired", "removed"];
    ORGANIZATION_NOT_TIDIED: Warn "an organization could not be tidied as a whole" ["org", "dry_run", "orphans", "gone", "expired", "removed", "failed"];
    REQUEST_FAILED: Warn "a request to Astra failed" ["org", "method", "error", "upstream_request_id", "next_step"];
}

#[cfg(test)]
mod tests;
