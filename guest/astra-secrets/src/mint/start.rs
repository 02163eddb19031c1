//! The start of a leased mint: from before its config is read until its write-ahead entry is stored.
//!
//! A config that is deleted, or moved to another URL, is kept hidden to end tokens with, and is forgotten after a look that
//! finds no token and no entry of a mint. A mint that read the config before it went, and stored its entry after that look,
//! would make a token that nothing is left to end. To read the config again after the entry is stored would exclude this,
//! and would cost each mint a wait. So a mint holds one of some locks meanwhile, and the look takes each of these locks in
//! turn before it begins. A mint that read the config before it went has held its lock ever since, so by then its entry is
//! stored, or the mint has failed. A mint that takes its lock later finds that the config has gone.
//!
//! Locks of the process are enough for that:
//! * One node writes. A standby refuses the entry, and the server forwards the request; so does a node that was the
//!   active one when the mint began.
//! * One process serves the requests of a mount on that node: at a reload, the server first waits for those under way. All
//!   versions of the module in the process share the locks.
//! * A process that dies lets its locks go, but asks Astra for nothing any more.
//!
//! A mint without such a lock reads its config again: one that counts tokens for `max_tokens`, the second attempt of one,
//! and one for a token that is in use without a lease.
//!
//! Nothing asks Astra under such a lock, so no mint waits for another one's call. There are many of them because a mint
//! holds its lock for a write to storage, which takes a disk some milliseconds.

use secrets_framework::host::LockGuard;
use secrets_framework::{Context, Error};

use crate::limits::MINT_STARTS_MAX;
use crate::lock::Lock;
use crate::mark::fresh_mark;
use crate::names::OrgId;

/// A mint that may have read its config, and has not stored its entry.
pub(crate) struct MintStart<'a> {
    /// The mark of its first attempt, of which two digits choose the lock.
    pub(super) mark: String,
    _guard: Box<dyn LockGuard + 'a>,
}

impl<'a> MintStart<'a> {
    /// Starts a mint of this organization, whose config is read from here on.
    pub(crate) fn of(context: &Context<'a>, org_id: &OrgId) -> Result<Self, Error> {
        let mark = fresh_mark(context);
        let guard = Lock::MintStart(org_id, number_of(&mark)).acquire(context)?;
        Ok(Self { mark, _guard: guard })
    }
}

/// The lock of a mint with this mark: as good as random.
fn number_of(mark: &str) -> u8 {
    let digits = mark.get(mark.len().saturating_sub(2)..).unwrap_or_default();
    u8::from_str_radix(digits, 16).unwrap_or_default() % MINT_STARTS_MAX
}

/// Waits until each mint that started before has stored its entry or has failed.
pub(super) fn wait_for_started(context: &Context<'_>, org_id: &OrgId) -> Result<(), Error> {
    (0..MINT_STARTS_MAX).try_for_each(|number| Lock::MintStart(org_id, number).acquire(context).map(drop))
}
