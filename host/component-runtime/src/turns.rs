//! Turns of mounts in debt: a request of such a mount needs a turn for each poll of its call.
//!
//! There are fewer turns than cores, so that mounts without a debt always find a free core. A free turn goes to the
//! waiting mount that had the least processor time, and within this mount to the oldest request, so that long requests
//! end, too. A request holds a turn while it runs, and not while it waits for a call of the host.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::processor_share::ProcessorShare;

/// All turns of the process. Clones share them.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<State>>);

struct State {
    free: usize,
    /// Virtual processor time of the last mount that got a turn, at that time.
    virtual_ns: u64,
    waiting: BTreeMap<MountKey, Queue>,
    /// Requests that have a turn and do not know it yet.
    granted: HashSet<u64>,
    requests: u64,
}

/// The address of a mount's share, which lives as long as any of the mount's requests.
type MountKey = usize;

/// The waiting requests of one mount, the oldest first.
struct Queue {
    share: Arc<ProcessorShare>,
    requests: BTreeMap<u64, Waker>,
}

/// The place of one request in its mount's queue.
pub(crate) struct Place {
    turns: Turns,
    share: Arc<ProcessorShare>,
    request: u64,
    is_queued: bool,
}

/// A turn, until its drop.
pub(crate) struct Turn(Turns);

impl Turns {
    /// `count` requests may run at once.
    pub(crate) fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: count,
            virtual_ns: 0,
            waiting: BTreeMap::new(),
            granted: HashSet::new(),
            requests: 0,
        })))
    }

    /// The place of a request that begins to take turns.
    pub(crate) fn place(&self, share: &Arc<ProcessorShare>) -> Place {
        let mut state = self.state();
        state.requests += 1;
        Place { turns: self.clone(), share: Arc::clone(share), request: state.requests, is_queued: false }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes back a turn.
    fn give_back(&self) {
        let mut state = self.state();
        state.free += 1;
        let next = state.hand_out();
        drop(state);
        if let Some(next) = next {
            next.wake();
        }
    }
}

impl State {
    /// Gives a free turn to the next request, and returns its waker.
    fn hand_out(&mut self) -> Option<Waker> {
        let (&key, queue) = self.waiting.iter_mut().min_by_key(|(_, queue)| queue.share.virtual_ns())?;
        self.virtual_ns = queue.share.virtual_ns();
        let (request, waker) = queue.requests.pop_first()?;
        queue.share.dequeue();
        if queue.requests.is_empty() {
            self.waiting.remove(&key);
        }
        self.free -= 1;
        self.granted.insert(request);
        Some(waker)
    }
}

impl Place {
    /// The turn of this request, at once or after the context's waker is called.
    pub(crate) fn poll_turn(&mut self, context: &Context<'_>) -> Poll<Turn> {
        let mut state = self.turns.state();
        if state.granted.remove(&self.request) {
            self.is_queued = false;
            return Poll::Ready(Turn(self.turns.clone()));
        }
        // A free turn means that no request waits.
        if state.free > 0 {
            state.free -= 1;
            state.virtual_ns = state.virtual_ns.max(self.share.virtual_ns());
            return Poll::Ready(Turn(self.turns.clone()));
        }
        let virtual_ns = state.virtual_ns;
        let queue = state.waiting.entry(self.key()).or_insert_with(|| {
            self.share.raise_virtual_to(virtual_ns);
            Queue { share: Arc::clone(&self.share), requests: BTreeMap::new() }
        });
        if queue.requests.insert(self.request, context.waker().clone()).is_none() {
            self.share.enqueue();
        }
        self.is_queued = true;
        Poll::Pending
    }

    /// Leaves the queue, and gives back a turn that came meanwhile: a request that goes on without a turn must not hold
    /// one while it waits.
    pub(crate) fn leave(&mut self) {
        if !std::mem::take(&mut self.is_queued) {
            return;
        }
        let mut state = self.turns.state();
        if state.granted.remove(&self.request) {
            drop(state);
            self.turns.give_back();
        } else if let Some(queue) = state.waiting.get_mut(&self.key()) {
            if queue.requests.remove(&self.request).is_some() {
                self.share.dequeue();
            }
            if queue.requests.is_empty() {
                let key = self.key();
                state.waiting.remove(&key);
            }
        }
    }

    fn key(&self) -> MountKey {
        Arc::as_ptr(&self.share) as usize
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SLICE: Duration = Duration::from_millis(1);

    /// A mount whose requests always take another turn.
    struct Mount {
        share: Arc<ProcessorShare>,
        places: Vec<Place>,
    }

    impl Mount {
        fn new(turns: &Turns, requests: usize) -> Self {
            let share = ProcessorShare::alone();
            let places = (0..requests).map(|_| turns.place(&share)).collect();
            Self { share, places }
        }
    }

    fn poll(place: &mut Place) -> Option<Turn> {
        match place.poll_turn(&Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    /// Number of turns of each request of each mount, after `rounds` turns in all.
    fn play(mounts: &mut [Mount], rounds: usize) -> Vec<Vec<usize>> {
        let mut had: Vec<Vec<usize>> = mounts.iter().map(|mount| vec![0; mount.places.len()]).collect();
        let mut turns = 0;
        while turns < rounds {
            for (mount, had) in mounts.iter_mut().zip(&mut had) {
                for (place, had) in mount.places.iter_mut().zip(had) {
                    if let Some(turn) = poll(place) {
                        mount.share.charge(SLICE);
                        *had += 1;
                        turns += 1;
                        drop(turn);
                        // A guest that computes asks for its next turn at once.
                        drop(poll(place));
                    }
                }
            }
        }
        had
    }

    #[test]
    fn mounts_get_the_same_time_however_many_requests_they_have() {
        let turns = Turns::new(1);
        let mut first = turns.place(&ProcessorShare::alone());
        let held = poll(&mut first);
        let mut mounts = [Mount::new(&turns, 1), Mount::new(&turns, 50)];
        // All requests wait before the first turn is free.
        for mount in &mut mounts {
            assert!(mount.places.iter_mut().all(|place| poll(place).is_none()));
        }
        drop(held);
        let had = play(&mut mounts, 1_000);
        let sums: Vec<usize> = had.iter().map(|had| had.iter().sum()).collect();
        assert!(sums.iter().all(|sum| sum.abs_diff(500) <= 20), "{sums:?}");
    }

    #[test]
    fn within_a_mount_the_oldest_request_is_next() {
        let turns = Turns::new(1);
        let mut first = turns.place(&ProcessorShare::alone());
        let held = poll(&mut first);
        let mut mount = Mount::new(&turns, 3);
        for place in mount.places.iter_mut().rev() {
            assert!(poll(place).is_none());
        }
        drop(held);
        let order: Vec<usize> = (0..3)
            .filter_map(|_| {
                let (next, turn) =
                    mount.places.iter_mut().enumerate().find_map(|(n, place)| Some((n, poll(place)?)))?;
                mount.share.charge(SLICE);
                drop(turn);
                Some(next)
            })
            .collect();
        assert_eq!(order, [0, 1, 0], "the first asks again before the last one has a turn");
    }

    #[test]
    fn a_request_that_goes_on_without_its_turn_gives_the_turn_to_the_next() {
        let turns = Turns::new(1);
        let [mut first, mut second, mut third] = [(); 3].map(|()| turns.place(&ProcessorShare::alone()));
        let held = poll(&mut first);
        assert!(poll(&mut second).is_none() && poll(&mut third).is_none());
        drop(held);
        second.leave();
        assert!(poll(&mut third).is_some());
    }

    #[test]
    fn a_mount_that_comes_late_does_not_catch_up() {
        let turns = Turns::new(1);
        let mut early = [Mount::new(&turns, 2)];
        play(&mut early, 500);
        let [early] = early;
        let late = Mount::new(&turns, 2);
        let had = play(&mut [early, late], 200);
        let sums: Vec<usize> = had.iter().map(|had| had.iter().sum()).collect();
        assert!(sums.iter().all(|sum| sum.abs_diff(100) <= 10), "{sums:?}");
    }

    #[test]
    fn a_request_that_goes_away_takes_no_turn_along() {
        let turns = Turns::new(1);
        let mut mount = Mount::new(&turns, 3);
        let held = poll(&mut mount.places[0]);
        assert!(held.is_some());
        assert!(poll(&mut mount.places[1]).is_none() && poll(&mut mount.places[2]).is_none());
        // One request has the turn without knowing it, and goes away.
        drop(held);
        drop(mount.places.remove(1));
        assert!(poll(&mut mount.places[1]).is_some());
        // One request waits, and goes away.
        let held = poll(&mut mount.places[0]);
        assert!(poll(&mut mount.places[1]).is_none());
        drop(mount.places.remove(1));
        drop(held);
        let state = turns.state();
        assert_eq!((state.free, state.waiting.len(), state.granted.len()), (1, 0, 0));
    }
}
