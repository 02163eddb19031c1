//! Secret kinds: what renew and revoke are dispatched by.

use crate::{Context, Error, Lease, Response, Secret};

/// What a renew or revoke handler answers.
pub type LeaseAnswer = Result<Option<Response>, Error>;

/// A kind of leased secret.
#[derive(Debug)]
pub struct SecretKind {
    /// Value of `secret_type` in the lease's internal data.
    pub kind: &'static str,
    /// Extends a lease; none = not renewable.
    pub renew: Option<fn(&Context<'_>, &Lease) -> LeaseAnswer>,
    /// Ends a lease.
    pub revoke: fn(&Context<'_>, &Lease) -> LeaseAnswer,
}

impl SecretKind {
    /// A secret of this kind: `internal_data` with `secret_type` added.
    pub fn secret(&self, secret: Secret) -> Secret {
        secret.of_kind(self.kind)
    }
}
