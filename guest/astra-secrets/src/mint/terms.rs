//! How long a lease runs: the role's settings, the mount's, what the client
//! asks for and what Astra grants, brought together once.

use std::time::Duration;

use secrets_framework::{Context, Error};

use crate::astra_token::LeaseTerms;
use crate::limits::LEASE_END_MARGIN;
use crate::role::lease_settings;
use crate::role::{Role, go_text};

/// The terms of a new lease.
pub(super) struct Terms {
    /// Time to live.
    pub(super) ttl: Duration,
    /// The longest life, renewals included.
    max_ttl: Duration,
    /// What the client asked for; none = the role's own.
    asked_ttl: Option<Duration>,
    /// What was clamped.
    pub(super) warnings: Vec<String>,
}

impl Terms {
    /// The terms of a role in this mount.
    pub(super) fn of(context: &Context<'_>, role: &Role, asked: Option<Duration>) -> Result<Self, Error> {
        let view = context.host.system_view();
        let mount_max = view.max_lease_ttl().map_err(|error| lease_settings(&error))?;
        let max_ttl = if role.max_ttl.is_zero() { mount_max } else { role.max_ttl.min(mount_max) };
        let asked_ttl = asked.filter(|ttl| !ttl.is_zero());
        let mut terms = Self { ttl: Duration::ZERO, max_ttl, asked_ttl, warnings: Vec::new() };
        terms.ttl = match (asked_ttl, role.ttl) {
            (Some(asked), _) => terms.clamped("the `ttl` asked for", asked),
            (None, Duration::ZERO) => view.default_lease_ttl().map_err(|error| lease_settings(&error))?.min(max_ttl),
            (None, own) => terms.clamped("the role's `ttl`", own),
        };
        // Taken for a lease that ends at once, it would have rollback end the token.
        if terms.ttl.is_zero() {
            return Err(Error::Internal("the server told that leases of this mount last no time".to_owned()));
        }
        Ok(terms)
    }

    /// When Astra shall end the token by itself: a little after the lease can
    /// run at the most, so that a lost server still ends access.
    pub(super) fn astra_expiry(&self, now: Duration) -> Duration {
        now + self.max_ttl + LEASE_END_MARGIN
    }

    /// Astra ends the token at `end`: so does the lease. False = it has ended.
    pub(super) fn end_by(&mut self, end: Duration, now: Duration) -> bool {
        let left = Duration::from_secs(end.saturating_sub(now).as_secs());
        if left < self.ttl {
            self.warnings.push(format!(
                "Astra ends the token in {}, before its lease of {} would end, so the lease ends then",
                go_text(left),
                go_text(self.ttl)
            ));
        }
        self.ttl = self.ttl.min(left);
        self.max_ttl = self.max_ttl.min(left);
        !left.is_zero()
    }

    /// The lease to ask the server for, of a token that ends at `expires_at`.
    pub(super) fn lease(&self, expires_at: Option<String>) -> LeaseTerms {
        LeaseTerms { ttl: self.ttl, max_ttl: self.max_ttl, expires_at, asked_ttl: self.asked_ttl }
    }

    fn clamped(&mut self, what: &str, ttl: Duration) -> Duration {
        if ttl > self.max_ttl {
            self.warnings.push(format!(
                "{what}, {}, is above the maximum of {}, so it is that",
                go_text(ttl),
                go_text(self.max_ttl)
            ));
        }
        ttl.min(self.max_ttl)
    }
}
