//! What the engine counts among the metrics of the mount. What lies in storage is no counter: `metrics.rs` has those numbers.

use secrets_framework::host::Counter;
use secrets_framework::{Context, Error};

/// Tokens that were made, by kind.
pub(crate) const TOKENS_MADE: Counter =
    Counter { name: "astra_tokens_made_total", help: "Tokens that were made, by kind." };

/// Tokens that have ended, by how they ended.
pub(crate) const TOKENS_ENDED: Counter =
    Counter { name: "astra_tokens_ended_total", help: "Tokens that have ended, by how they ended." };

/// Reads of the secrets of tokens.
pub(crate) const SECRETS_READ: Counter =
    Counter { name: "astra_secrets_read_total", help: "Reads of the secret of a token, by kind of the token." };

/// Rotations, by what was rotated and what came of it.
const ROTATIONS: Counter =
    Counter { name: "astra_rotations_total", help: "Rotations, by kind of the token and by outcome." };

/// Counts a rotation by what came of it. A node that cannot write counts nothing: the active node rotates.
pub(crate) fn count_rotation<T>(context: &Context<'_>, kind: &str, rotated: &Result<T, Error>) {
    let outcome = match rotated {
        Ok(_) => "done",
        Err(Error::Plain(_)) => return,
        Err(_) => "failed",
    };
    context.count(&ROTATIONS, &[("kind", kind), ("outcome", outcome)]);
}

/// Counts a rotation that missed its window and waits for its next time.
pub(crate) fn count_missed_rotation(context: &Context<'_>, kind: &str) {
    context.count(&ROTATIONS, &[("kind", kind), ("outcome", "missed")]);
}
