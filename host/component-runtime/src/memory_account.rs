//! Counts the memory that the process holds for guests, linear memory and the data that the host keeps for a request,
//! for each request, each mount and the process.
//!
//! Memory is reserved before it is allocated, and the drop of its [`Held`] returns it. If none is left, the request is
//! refused: otherwise the process would grow until the system kills it, with the requests of all mounts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use thiserror::Error;

use crate::limits::{MEMORY_CEILING_BYTES_MIN, bytes_text};

/// The limit that a request reached: its own, that of its mount, or that of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MemoryLimit {
    /// Limit of one request, including the data that the host holds for it.
    #[error("{} of memory, with what the host holds for the request", bytes_text(*.0))]
    Request(usize),
    /// Limit of all requests of a mount together.
    #[error("{} of memory for all requests of one mount together", bytes_text(*.0))]
    Mount(usize),
    /// Limit of all requests of the process together.
    #[error("{} of memory for all requests of the plugin process together", bytes_text(*.0))]
    Process(usize),
}

/// A number of bytes with a maximum.
struct Sum {
    bytes: AtomicUsize,
    max: usize,
}

impl Sum {
    fn new(max: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), max }
    }

    /// Relaxed: no other memory access depends on the sum.
    fn take(&self, bytes: usize) -> bool {
        let grown = |held: usize| held.checked_add(bytes).filter(|&sum| sum <= self.max);
        self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn held(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// The memory of all requests of the process.
pub(crate) struct ProcessMemory(Sum);

impl ProcessMemory {
    /// The memory of a process with this limit, which has room for a large request.
    pub(crate) fn new(ceiling: usize) -> Arc<Self> {
        Arc::new(Self(Sum::new(ceiling.max(MEMORY_CEILING_BYTES_MIN))))
    }

    /// The memory of a new mount: half of all, so that one mount leaves the other half to all others.
    pub(crate) fn mount(self: &Arc<Self>) -> Arc<MountMemory> {
        Arc::new(MountMemory {
            process: Arc::clone(self),
            sum: Sum::new(self.0.max / 2),
            held_max: AtomicUsize::new(0),
        })
    }

    pub(crate) fn ceiling(&self) -> usize {
        self.0.max
    }

    pub(crate) fn held(&self) -> usize {
        self.0.held()
    }
}

/// The memory of all requests of one mount.
pub(crate) struct MountMemory {
    process: Arc<ProcessMemory>,
    sum: Sum,
    held_max: AtomicUsize,
}

impl MountMemory {
    /// The account of a new request, which may hold `bytes_max`.
    pub(crate) fn account(self: &Arc<Self>, bytes_max: usize) -> Account {
        Account(Arc::new(Inner { mount: Arc::clone(self), own: Sum::new(bytes_max), refused: OnceLock::new() }))
    }

    pub(crate) fn held(&self) -> usize {
        self.sum.held()
    }

    /// The most that the mount held at any time.
    pub(crate) fn held_max(&self) -> usize {
        self.held_max.load(Ordering::Relaxed)
    }
}

/// The memory of one request. Clones share it.
#[derive(Clone)]
pub(crate) struct Account(Arc<Inner>);

struct Inner {
    mount: Arc<MountMemory>,
    own: Sum,
    /// The first limit that the request reached.
    refused: OnceLock<MemoryLimit>,
}

impl Account {
    /// Reserves memory until the drop of the answer.
    ///
    /// # Errors
    /// The limit that has no room left.
    pub(crate) fn take(&self, bytes: usize) -> Result<Held, MemoryLimit> {
        self.charge(bytes)?;
        Ok(Held { account: self.clone(), bytes })
    }

    /// An empty reservation.
    pub(crate) fn nothing(&self) -> Held {
        Held { account: self.clone(), bytes: 0 }
    }

    /// Reserves memory until the end of the request, for many small things whose ends are not reported.
    ///
    /// # Errors
    /// As `take`.
    pub(crate) fn keep(&self, bytes: usize) -> Result<(), MemoryLimit> {
        self.charge(bytes)
    }

    /// The first limit that the request reached, if any. A guest can hide it behind an error of its own.
    pub(crate) fn refused(&self) -> Option<MemoryLimit> {
        self.0.refused.get().copied()
    }

    fn charge(&self, bytes: usize) -> Result<(), MemoryLimit> {
        let Inner { mount, own, refused } = &*self.0;
        let limit = if !own.take(bytes) {
            MemoryLimit::Request(own.max)
        } else if !mount.sum.take(bytes) {
            own.give_back(bytes);
            MemoryLimit::Mount(mount.sum.max)
        } else if !mount.process.0.take(bytes) {
            own.give_back(bytes);
            mount.sum.give_back(bytes);
            MemoryLimit::Process(mount.process.0.max)
        } else {
            mount.held_max.fetch_max(mount.sum.held(), Ordering::Relaxed);
            return Ok(());
        };
        let _ = refused.set(limit);
        Err(limit)
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        ProcessMemory::new(0).mount().account(usize::MAX)
    }
}

impl Inner {
    fn give_back(&self, bytes: usize) {
        self.own.give_back(bytes);
        self.mount.sum.give_back(bytes);
        self.mount.process.0.give_back(bytes);
    }
}

impl Drop for Inner {
    /// Returns the memory that was kept until the end.
    fn drop(&mut self) {
        self.give_back(self.own.held());
    }
}

/// Reserved memory of a request, until its drop.
pub(crate) struct Held {
    account: Account,
    bytes: usize,
}

impl Held {
    /// Makes the reservation larger or smaller.
    ///
    /// # Errors
    /// As `Account::take`. The reservation then stays as it was.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<(), MemoryLimit> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.account.charge(more)?,
            None => self.account.0.give_back(self.bytes - bytes),
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Joins two reservations of one request.
    pub(crate) fn add(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.account.0.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const MIB: usize = 1024 * 1024;

    /// A process with 128 MiB, and so 64 MiB for each mount.
    fn process() -> Arc<ProcessMemory> {
        ProcessMemory::new(0)
    }

    #[test]
    fn a_place_is_counted_three_times_and_given_back_by_its_drop() {
        let process = process();
        let (mount, other) = (process.mount(), process.mount());
        let account = mount.account(32 * MIB);
        let held = account.take(MIB).unwrap();
        let _of_other = other.account(32 * MIB).take(2 * MIB).unwrap();
        assert_eq!((mount.held(), other.held(), process.held()), (MIB, 2 * MIB, 3 * MIB));
        drop(held);
        assert_eq!((mount.held(), process.held()), (0, 2 * MIB));
    }

    #[test]
    fn the_most_that_a_mount_held_stays_when_requests_end() {
        let mount = process().mount();
        let account = mount.account(MIB);
        let (first, second) = (account.take(10).unwrap(), account.take(20).unwrap());
        drop(first);
        let third = account.take(5).unwrap();
        assert_eq!((mount.held(), mount.held_max()), (25, 30));
        drop((second, third));
        assert_eq!((mount.held(), mount.held_max()), (0, 30));
    }

    #[test]
    fn a_request_is_refused_at_its_own_limit_and_holds_what_it_held() {
        let process = process();
        let account = process.mount().account(10);
        let mut held = account.take(6).unwrap();
        assert_eq!(account.take(5).err(), Some(MemoryLimit::Request(10)));
        assert_eq!(held.resize(11), Err(MemoryLimit::Request(10)));
        assert_eq!((process.held(), account.refused()), (6, Some(MemoryLimit::Request(10))));
        held.resize(10).unwrap();
        held.resize(1).unwrap();
        assert_eq!(process.held(), 1);
    }

    #[test]
    fn a_mount_is_refused_at_half_of_the_ceiling_and_another_one_is_not() {
        let process = process();
        let (mount, other) = (process.mount(), process.mount());
        let (first, second) = (mount.account(usize::MAX), mount.account(usize::MAX));
        let _held = first.take(60 * MIB).unwrap();
        assert_eq!(second.take(5 * MIB).err(), Some(MemoryLimit::Mount(64 * MIB)));
        assert_eq!((first.refused(), second.refused()), (None, Some(MemoryLimit::Mount(64 * MIB))));
        let _of_other = other.account(usize::MAX).take(64 * MIB).unwrap();
        assert_eq!(process.mount().account(usize::MAX).take(5 * MIB).err(), Some(MemoryLimit::Process(128 * MIB)));
        assert_eq!((mount.held(), process.held()), (60 * MIB, 124 * MIB), "a refusal holds nothing");
    }

    #[test]
    fn kept_memory_is_returned_at_the_end_of_the_request() {
        let process = process();
        let account = process.mount().account(MIB);
        account.keep(100).unwrap();
        let held = account.take(10).unwrap();
        drop(account);
        assert_eq!(process.held(), 110, "a place is still held");
        drop(held);
        assert_eq!(process.held(), 0);
    }

    #[test]
    fn two_places_become_one() {
        let process = process();
        let account = process.mount().account(MIB);
        let mut held = account.take(10).unwrap();
        held.add(account.take(5).unwrap());
        assert_eq!(process.held(), 15);
        held.resize(3).unwrap();
        assert_eq!(process.held(), 3);
    }

    #[test]
    fn a_sum_that_overflows_is_refused() {
        let account = process().mount().account(usize::MAX);
        let _held = account.take(10).unwrap();
        assert_eq!(account.take(usize::MAX).err(), Some(MemoryLimit::Request(usize::MAX)));
    }

    #[test]
    fn requests_of_many_threads_never_hold_more_than_the_ceiling_and_leave_nothing() {
        let process = process();
        let mounts = [process.mount(), process.mount(), process.mount()];
        std::thread::scope(|scope| {
            for mount in &mounts {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let places: Vec<_> = (0..4).map(|_| mount.account(usize::MAX).take(20 * MIB)).collect();
                        assert!(places.iter().any(Result::is_err), "80 MiB are more than a mount may hold");
                        assert!(process.held() <= process.ceiling());
                    }
                });
            }
        });
        assert_eq!(process.held(), 0);
    }

    #[test]
    fn each_memory_limit_names_its_owner() {
        let rows = [
            (MemoryLimit::Request(192 * MIB), "192 MiB of memory, with what the host holds for the request"),
            (MemoryLimit::Mount(MIB), "1 MiB of memory for all requests of one mount together"),
            (MemoryLimit::Process(2 * MIB), "2 MiB of memory for all requests of the plugin process together"),
        ];
        for (limit, text) in rows {
            assert_eq!(limit.to_string(), text);
        }
    }
}
