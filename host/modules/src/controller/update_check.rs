//! Decides whether a module may replace another one, at an activation and when an operator asks beforehand (`module
//! diff`).

use std::collections::BTreeSet;
use std::fmt;

use super::manifest::ModuleManifest;
use crate::Rejection;

/// Terms that lift an incompatibility.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'a> {
    /// The operator accepts that no revert is possible.
    pub(super) force: bool,
    /// The additional capabilities, paths and destinations of secrets that the operator accepts.
    pub(super) accepted: &'a BTreeSet<String>,
    /// The module is embedded in the binary, whose SHA-256 the operator accepted.
    pub(super) embedded: bool,
}

/// Checks whether a module may replace another one.
///
/// # Errors
/// The first reason against it.
pub(super) fn check_update(
    new: &ModuleManifest,
    old: Option<&ModuleManifest>,
    terms: Terms<'_>,
) -> Result<(), Rejection> {
    let incompatibilities = match old {
        Some(old) => Incompatibility::between(old, new),
        None => Incompatibility::of_first(new).into_iter().collect(),
    };
    let first = incompatibilities.into_iter().find(|incompatibility| !incompatibility.is_waived(terms));
    first.map_or(Ok(()), |incompatibility| Err(Rejection::Permanent(incompatibility.to_string())))
}

/// A reason why a module does not replace another one automatically. Its text says what an operator can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incompatibility {
    /// The stored data belong to another engine.
    OtherEngine {
        /// The engine that wrote the data.
        old: String,
        /// The engine of the candidate.
        new: String,
    },
    /// Kinds of secrets whose leases the candidate could not renew or revoke.
    LostLeases(Vec<String>),
    /// The candidate cannot read the stored data.
    CannotRead {
        /// The oldest storage version that the candidate reads.
        from: u32,
        /// The stored version.
        stored: u32,
    },
    /// The candidate is older than the stored data.
    TooOld {
        /// The newest storage version that the candidate knows.
        known: u32,
        /// The stored version.
        stored: u32,
    },
    /// The old module cannot read what the new one writes.
    RevertImpossible {
        /// The storage version that the new module writes.
        written: u32,
        /// Version of the old module.
        old: String,
    },
    /// Capabilities, paths without a token, paths without `sudo`, destinations of secrets.
    AsksMore {
        /// The words with which an operator accepts them.
        words: BTreeSet<String>,
        /// Version of the old module; `None` if no module of this engine has served the mount.
        old: Option<String>,
    },
}

impl Incompatibility {
    /// All incompatibilities between two modules, the most serious first. The same bytes have none.
    #[must_use]
    pub fn between(old: &ModuleManifest, new: &ModuleManifest) -> Vec<Self> {
        if old.digest == new.digest {
            return Vec::new();
        }
        if old.engine != new.engine {
            // No other comparison makes sense between engines.
            let other = Self::OtherEngine { old: old.engine.clone(), new: new.engine.clone() };
            return [other].into_iter().chain(Self::of_first(new)).collect();
        }
        let lost: Vec<_> = old.secret_kinds.difference(&new.secret_kinds).cloned().collect();
        let more = new.asks_more_than(Some(old));
        let old_version = || old.version.0.to_string();
        let (stored, written, from) = (old.storage_written, new.storage_written, new.storage_readable_from);
        [
            (!lost.is_empty()).then_some(Self::LostLeases(lost)),
            (from > stored).then_some(Self::CannotRead { from, stored }),
            (written < stored).then_some(Self::TooOld { known: written, stored }),
            (!old.reads_what_is_written_by(new)).then(|| Self::RevertImpossible { written, old: old_version() }),
            (!more.is_empty()).then(|| Self::AsksMore { words: more, old: Some(old_version()) }),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Paths without a token of the first module of its engine on a mount: an operator expects that a new mount needs a
    /// token.
    fn of_first(new: &ModuleManifest) -> Option<Self> {
        let words = new.asks_more_than(None);
        (!words.is_empty()).then_some(Self::AsksMore { words, old: None })
    }

    fn is_waived(&self, terms: Terms<'_>) -> bool {
        match self {
            Self::LostLeases(_) | Self::CannotRead { .. } => false,
            Self::OtherEngine { .. } | Self::TooOld { .. } => terms.force,
            // With a new binary, the operator reverts by registering the previous binary.
            Self::RevertImpossible { .. } => terms.force || terms.embedded,
            Self::AsksMore { words, .. } => words.is_subset(terms.accepted) || terms.embedded,
        }
    }
}

impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherEngine { old, new } => {
                write!(
                    f,
                    "the storage belongs to the engine `{old}`; `module/use` with `force` gives the storage to `{new}`"
                )
            }
            Self::LostLeases(kinds) => {
                let kinds = kinds.join("`, `");
                write!(f, "leases of `{kinds}` could not be renewed or revoked: the module does not know them")
            }
            Self::CannotRead { from, stored } => {
                write!(f, "it reads storage from version {from} on, and the mount has storage of version {stored}")
            }
            Self::TooOld { known, stored } => write!(
                f,
                "the mount has storage of version {stored}, and the module knows {known} at most; `module/use` with `force` \
                 activates it anyway"
            ),
            Self::RevertImpossible { written, old } => write!(
                f,
                "it writes storage of version {written}, which {old} cannot read: a revert would be impossible; \
                 `module/use` with `force` activates it"
            ),
            Self::AsksMore { words, old } => {
                let list = words.iter().map(String::as_str).collect::<Vec<_>>().join(",");
                match old {
                    Some(old) => write!(f, "it asks for more than {old} does: {list}")?,
                    None => write!(
                        f,
                        "as the first module of its engine here, it asks for paths that need no token: {list}"
                    )?,
                }
                write!(f, "; `module/use` with `accept_capabilities={list}` ")?;
                f.write_str("accepts exactly that")
            }
        }
    }
}

#[cfg(test)]
mod tests;
