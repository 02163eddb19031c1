//! Limits the requests that run at once: each needs a permit, and mounts share the permits fairly.
//!
//! A mount gets a permit while it holds fewer than [`Limits::requests_guaranteed_per_mount`], or fewer than are free.
//! So one busy mount alone takes half of all permits, two take a third each, and a new mount always finds some. Waiting
//! mounts get freed permits in turn. A mount in debt of processor time gets only the guaranteed permits: more requests
//! at once would do no more work, and each costs the server and other mounts.
//!
//! The waiting requests of a mount have a limit. A request beyond it is refused late, at a random time: clients that
//! are refused at once ask again at once, and that costs other mounts more than the wait.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout_at};

use crate::InvokeError;
use crate::limits::{DEBT_LOOK_PAUSE, Limits};
use crate::processor_share::ProcessorShare;

/// What a refused request waited for, as errors name it: permits of all mounts, or of its own mount.
const OF_ALL: &str = "requests in flight";
pub(crate) const OF_MOUNT: &str = "requests in flight to this mount";

/// The pool whose slots the permits are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PoolKind {
    Ordinary,
    Large,
}

/// All permits of the process. Clones share them.
#[derive(Clone)]
pub(crate) struct Permits(Arc<Shared>);

struct Shared {
    guaranteed: usize,
    waiting_max: usize,
    waiting_bytes_max: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    mounts: HashMap<u64, Share>,
    /// The waiting mounts; the first one is next.
    turns: VecDeque<u64>,
    next_mount: u64,
}

/// State of one mount.
struct Share {
    processor: Arc<ProcessorShare>,
    held: usize,
    /// In order of arrival. Contains requests that gave up, until they are removed.
    waiting: VecDeque<oneshot::Sender<Permit>>,
    waiting_count: usize,
    waiting_bytes: usize,
}

/// The share of one mount, as long as it lives.
pub(crate) struct MountPermits {
    permits: Permits,
    mount: u64,
}

/// The permit for one instance, until its drop.
pub(crate) struct Permit {
    permits: Permits,
    mount: u64,
}

/// A request got no permit, or a large message no turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request waited for the whole allowed time.
    Waited(&'static str),
    /// Too many requests wait already. The caller drops the request and then waits in [`refuse_late`].
    Full,
}

impl Permits {
    pub(crate) fn new(max: usize, limits: &Limits) -> Self {
        let state = State { free: max, mounts: HashMap::new(), turns: VecDeque::new(), next_mount: 0 };
        Self(Arc::new(Shared {
            guaranteed: limits.requests_guaranteed_per_mount,
            waiting_max: limits.requests_waiting_per_mount_max,
            waiting_bytes_max: limits.waiting_bytes_per_mount_max,
            state: Mutex::new(state),
        }))
    }

    /// The share of a new mount.
    pub(crate) fn mount(&self, processor: &Arc<ProcessorShare>) -> MountPermits {
        let mut state = self.state();
        let mount = state.next_mount;
        state.next_mount += 1;
        state.mounts.insert(mount, Share::new(processor));
        MountPermits { permits: self.clone(), mount }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn permit(&self, mount: u64) -> Permit {
        Permit { permits: self.clone(), mount }
    }

    /// Gives free permits to waiting requests.
    fn hand_out(&self) {
        loop {
            let (waiting, permit) = {
                let mut state = self.state();
                let Some((mount, waiting)) = state.next(self.0.guaranteed) else { return };
                state.take(mount);
                (waiting, self.permit(mount))
            };
            // After the lock is released: if the request has given up, its permit comes back right here.
            drop(waiting.send(permit));
        }
    }

    /// Takes back a permit.
    fn give_back(&self, mount: u64) {
        let mut state = self.state();
        state.free += 1;
        if let Some(share) = state.mounts.get_mut(&mount) {
            share.held -= 1;
        }
        drop(state);
        self.hand_out();
    }
}

impl State {
    fn take(&mut self, mount: u64) {
        self.free -= 1;
        if let Some(share) = self.mounts.get_mut(&mount) {
            share.held += 1;
        }
    }

    fn may_take(&self, share: &Share, guaranteed: usize) -> bool {
        self.free > 0 && (share.held < guaranteed || (share.held < self.free && !share.processor.in_debt()))
    }

    /// The next waiting request, of the first mount in turn that may have a permit.
    fn next(&mut self, guaranteed: usize) -> Option<(u64, oneshot::Sender<Permit>)> {
        for _ in 0..self.turns.len() {
            let mount = self.turns.pop_front()?;
            let Some(share) = self.mounts.get(&mount) else { continue };
            let may_take = self.may_take(share, guaranteed);
            let Some(share) = self.mounts.get_mut(&mount) else { continue };
            while share.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                share.waiting.pop_front();
            }
            let next = if may_take { share.waiting.pop_front() } else { None };
            if !share.waiting.is_empty() {
                self.turns.push_back(mount);
            }
            if let Some(next) = next {
                return Some((mount, next));
            }
        }
        None
    }
}

impl Share {
    fn new(processor: &Arc<ProcessorShare>) -> Self {
        Self { processor: Arc::clone(processor), held: 0, waiting: VecDeque::new(), waiting_count: 0, waiting_bytes: 0 }
    }
}

impl MountPermits {
    /// Waits for a permit for at most `wait`. The request holds `bytes` meanwhile.
    ///
    /// # Errors
    /// At the deadline, or when too many requests of this mount wait already.
    pub(crate) async fn acquire(&self, bytes: usize, wait: Duration) -> Result<Permit, Refusal> {
        let until = Instant::now() + wait;
        let (mut granted, waiting, processor) = {
            let mut state = self.permits.state();
            let Some(share) = state.mounts.get(&self.mount) else { return Err(Refusal::Waited(OF_ALL)) };
            if share.waiting_count == 0 && state.may_take(share, self.permits.0.guaranteed) {
                state.take(self.mount);
                return Ok(self.permits.permit(self.mount));
            }
            let processor = Arc::clone(&share.processor);
            let (granted, waiting) = self.enqueue(&mut state, bytes)?;
            (granted, waiting, processor)
        };
        // Nobody is told of the end of a debt: each request that comes, and each that waits for that end, looks.
        self.permits.hand_out();
        loop {
            let debt_ends = Instant::now() + processor.debt().max(DEBT_LOOK_PAUSE);
            let until_look = if processor.in_debt() { debt_ends.min(until) } else { until };
            match timeout_at(until_look, &mut granted).await {
                Ok(Ok(permit)) => return Ok(permit),
                Err(_) if until_look < until => self.permits.hand_out(),
                Ok(Err(_)) | Err(_) => return Err(Refusal::Waited(waiting.what())),
            }
        }
    }

    fn enqueue(&self, state: &mut State, bytes: usize) -> Result<(oneshot::Receiver<Permit>, Waiting<'_>), Refusal> {
        let Shared { waiting_max, waiting_bytes_max, .. } = *self.permits.0;
        let Some(share) = state.mounts.get_mut(&self.mount) else { return Err(Refusal::Waited(OF_ALL)) };
        let waiting_bytes = share.waiting_bytes.saturating_add(bytes);
        if share.waiting_count >= waiting_max || waiting_bytes > waiting_bytes_max {
            return Err(Refusal::Full);
        }
        // A mount with only abandoned requests is among the turns, too.
        let is_first = share.waiting.is_empty();
        // Abandoned requests take at most as much room as waiting ones.
        if share.waiting.len() > 2 * share.waiting_count.max(1) {
            share.waiting.retain(|waiting| !waiting.is_closed());
        }
        let (sender, receiver) = oneshot::channel();
        share.waiting.push_back(sender);
        share.waiting_count += 1;
        share.waiting_bytes = waiting_bytes;
        if is_first {
            state.turns.push_back(self.mount);
        }
        Ok((receiver, Waiting { permits: self, bytes }))
    }
}

impl Drop for MountPermits {
    fn drop(&mut self) {
        self.permits.state().mounts.remove(&self.mount);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.give_back(self.mount);
    }
}

/// The place of a waiting request, until its drop.
struct Waiting<'a> {
    permits: &'a MountPermits,
    bytes: usize,
}

impl Waiting<'_> {
    /// The name of the limit that the request waits for.
    fn what(&self) -> &'static str {
        if self.permits.permits.state().free > 0 { OF_MOUNT } else { OF_ALL }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(share) = self.permits.permits.state().mounts.get_mut(&self.permits.mount) {
            share.waiting_count -= 1;
            share.waiting_bytes -= self.bytes;
        }
    }
}

/// Refuses a request late. `what` names the missing resource.
pub(crate) async fn refuse_late(wait: Duration, what: &'static str) -> InvokeError {
    late(wait).await;
    InvokeError::Busy(what)
}

/// Waits until a random time in the second half of a request's allowed wait.
pub(crate) async fn late(wait: Duration) {
    let random = u32::from((RandomState::new().hash_one(()) & 0xffff) as u16);
    sleep(wait / 2 + (wait / 2) * random / (1 << 16)).await;
}

#[cfg(test)]
mod tests;
