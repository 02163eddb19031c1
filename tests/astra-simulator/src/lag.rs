//! Effects that trail behind their answers: a new token is refused at first, a deleted one still
//! accepted, a list shows yesterday. Only tokens made by a call are late, not those of the start.

use crate::clock::Timestamp;
use crate::state::World;
use crate::switches::Lag;
use crate::token::{Token, TokenState};

impl Lag {
    pub(crate) fn refuses_new(&self, token: &Token, now: Timestamp) -> bool {
        token.made_by.is_some()
            && self.is_late(
                token.calls_since.made,
                self.new_token_refused_calls,
                token.generated_on,
                self.new_token_refused_ms,
                now,
            )
    }

    pub(crate) fn accepts_deleted(&self, token: &Token, now: Timestamp) -> bool {
        let Some(revoked) = token.revoked else { return true };
        self.is_late(
            token.calls_since.revoked,
            self.deleted_token_accepted_calls,
            revoked,
            self.deleted_token_accepted_ms,
            now,
        )
    }

    fn hides_new(&self, token: &Token, now: Timestamp) -> bool {
        token.made_by.is_some()
            && self.is_late(
                token.lists_since.made,
                self.new_token_unlisted_lists,
                token.generated_on,
                self.new_token_unlisted_ms,
                now,
            )
    }

    fn shows_deleted(&self, token: &Token, now: Timestamp) -> bool {
        let Some(revoked) = token.revoked else { return true };
        self.is_late(
            token.lists_since.revoked,
            self.deleted_token_listed_lists,
            revoked,
            self.deleted_token_listed_ms,
            now,
        )
    }

    /// `calls` counts this call too.
    fn is_late(&self, calls: u32, calls_max: u32, since: Timestamp, milliseconds: u64, now: Timestamp) -> bool {
        let until = since.plus(std::time::Duration::from_millis(milliseconds));
        calls <= calls_max && calls_max > 0 || milliseconds > 0 && now < until
    }
}

impl World {
    /// Client IDs that a list of an organization shows now, oldest first. Counts as a list.
    pub(crate) fn listed(&mut self, organization: &str) -> Vec<String> {
        let (now, lag) = (self.clock.now(), self.lag);
        let all: Vec<String> = self.tokens_of(organization).map(|token| token.client_id.clone()).collect();
        let mut listed = Vec::with_capacity(all.len());
        for client_id in all {
            let roleless = self.is_roleless(&client_id);
            let switches = &self.switches;
            let (expired_listed, roleless_listed) = (switches.expired_listed, switches.roleless_listed);
            let Some(token) = self.token_mut(&client_id) else { continue };
            token.lists_since.count(token.revoked.is_some());
            let shown = match token.state(now) {
                TokenState::Live => !lag.hides_new(token, now),
                TokenState::Expired => expired_listed,
                TokenState::Revoked => lag.shows_deleted(token, now),
            };
            if shown && (roleless_listed || !roleless) {
                listed.push(client_id);
            }
        }
        listed
    }

    /// Whether none of a token's roles exists any more.
    fn is_roleless(&self, client_id: &str) -> bool {
        let Some(token) = self.token(client_id) else { return false };
        let Some(organization) = self.organization(&token.organization) else { return false };
        !token.roles.iter().any(|role| organization.role(role).is_some())
    }
}
