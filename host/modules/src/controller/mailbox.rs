//! The messages that wait for a mount's controller task.
//!
//! The task changes a mount's module one message at a time. A revert takes precedence: it is received before anything
//! that waits, it answers the waiting changes with an error, and the running change gives way to it at its next slow
//! step. Requests to reconcile are merged: one pass sees everything that changed before it began.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::active::Active;
use super::outcome::{CallError, Done};
use super::select_request::SelectRequest;
use crate::Rejection;

/// What the task is asked to do.
pub(super) enum Message {
    /// A pass over the modules that are there, which nobody waits for.
    Reconcile,
    /// The first pass, for a request that has no module yet.
    Start(Reply<Result<(), Rejection>>),
    /// A pass that tries rejected modules again, for an operator.
    Reload(Reply<Result<(), CallError>>),
    /// A module that an operator selects.
    Use(SelectRequest, Reply<Result<Done, CallError>>),
    /// The module that served before is to serve again.
    Revert(Revert),
}

/// Who asks for a revert.
pub(super) enum Revert {
    /// The trial of the active module failed.
    FailedTrial(Arc<Active>),
    /// An operator, who waits for the outcome.
    Operator { force: bool, reply: Reply<Result<Done, CallError>> },
}

/// How far a controller is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// No pass has finished. The first request causes the first pass: before, storage may not answer.
    #[default]
    Starting,
    /// A pass has finished: changes of storage and directory cause passes.
    Started,
    /// The server has unloaded the mount: nothing is written any more.
    Closed,
}

/// Where a caller waits: first until the task has begun, then for the outcome.
pub(super) struct Reply<T> {
    began: oneshot::Sender<()>,
    outcome: oneshot::Sender<T>,
}

/// The caller's side of a [`Reply`]. The message is withdrawn if `began` is dropped before the task has begun.
pub(super) struct Waiting<T> {
    pub(super) began: oneshot::Receiver<()>,
    pub(super) outcome: oneshot::Receiver<T>,
}

impl<T> Reply<T> {
    pub(super) fn new() -> (Self, Waiting<T>) {
        let (began, has_begun) = oneshot::channel();
        let (outcome, has_ended) = oneshot::channel();
        (Self { began, outcome }, Waiting { began: has_begun, outcome: has_ended })
    }

    /// Where to send the outcome; none if the caller has gone away.
    pub(super) fn begin(self) -> Option<oneshot::Sender<T>> {
        self.began.send(()).is_ok().then_some(self.outcome)
    }

    fn is_withdrawn(&self) -> bool {
        self.began.is_closed()
    }

    fn answer(self, outcome: T) {
        if let Some(caller) = self.begin() {
            let _ = caller.send(outcome);
        }
    }
}

impl Revert {
    fn is_withdrawn(&self) -> bool {
        match self {
            Self::FailedTrial(_) => false,
            Self::Operator { reply, .. } => reply.is_withdrawn(),
        }
    }
}

/// Why a change gives way.
fn revert_first() -> Rejection {
    Rejection::Transient("a revert is in progress on this mount: try again".to_owned())
}

#[derive(Default)]
struct Queue {
    lifecycle: Lifecycle,
    reverts: VecDeque<Revert>,
    changes: VecDeque<Message>,
    /// Something changed since the last pass began.
    must_reconcile: bool,
    /// Another node has written the stored state since it was read.
    is_state_stale: bool,
}

impl Queue {
    fn has_revert(&self) -> bool {
        self.reverts.iter().any(|revert| !revert.is_withdrawn())
    }

    fn take(&mut self) -> Option<Message> {
        if let Some(revert) = self.reverts.pop_front() {
            return Some(Message::Revert(revert));
        }
        if let Some(change) = self.changes.pop_front() {
            return Some(change);
        }
        (self.lifecycle == Lifecycle::Started && self.must_reconcile).then_some(Message::Reconcile)
    }

    /// Answers the changes that wait, since a revert comes first.
    fn refuse_changes(&mut self) {
        for change in self.changes.drain(..) {
            match change {
                Message::Start(reply) => reply.answer(Err(revert_first())),
                Message::Reload(reply) => reply.answer(Err(revert_first().into())),
                Message::Use(_, reply) => reply.answer(Err(revert_first().into())),
                Message::Reconcile | Message::Revert(_) => {}
            }
        }
    }
}

/// The messages that wait, and what the task must know of a mount before it takes one.
pub(super) struct Mailbox(watch::Sender<Queue>);

impl Mailbox {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Queue::default()))
    }

    pub(super) fn send(&self, message: Message) {
        self.0.send_modify(|queue| match message {
            Message::Revert(revert) => {
                queue.refuse_changes();
                queue.reverts.push_back(revert);
            }
            Message::Reconcile => queue.must_reconcile |= queue.lifecycle != Lifecycle::Closed,
            change => queue.changes.push_back(change),
        });
    }

    /// The next message, or a pass at the time of the scheduled retry; none once `is_over` holds.
    pub(super) async fn next(&self, retry_at: Option<Instant>, is_over: impl Fn() -> bool) -> Option<Message> {
        let mut sent = self.0.subscribe();
        loop {
            if let Some(message) = self.take() {
                return Some(message);
            }
            if is_over() {
                return None;
            }
            let retry_at = retry_at.filter(|_| self.lifecycle() == Lifecycle::Started);
            tokio::select! {
                // Its sender is this mailbox.
                _ = sent.changed() => {}
                () = until(retry_at) => return Some(Message::Reconcile),
            }
        }
    }

    /// Makes the task look whether its controller is still there.
    pub(super) fn wake(&self) {
        self.0.send_modify(|_| {});
    }

    fn take(&self) -> Option<Message> {
        let mut taken = None;
        self.0.send_if_modified(|queue| {
            taken = queue.take();
            false
        });
        taken
    }

    pub(super) fn lifecycle(&self) -> Lifecycle {
        self.0.borrow().lifecycle
    }

    /// A pass has finished.
    pub(super) fn set_started(&self) {
        self.0.send_modify(|queue| {
            if queue.lifecycle == Lifecycle::Starting {
                queue.lifecycle = Lifecycle::Started;
            }
        });
    }

    /// The server has unloaded the mount.
    pub(super) fn close(&self) {
        self.0.send_modify(|queue| {
            queue.lifecycle = Lifecycle::Closed;
            queue.must_reconcile = false;
        });
    }

    /// A pass begins, which sees all that changed before.
    pub(super) fn begin_pass(&self) {
        self.0.send_modify(|queue| queue.must_reconcile = false);
    }

    /// Another node has written the stored state.
    pub(super) fn invalidate_state(&self) {
        self.0.send_modify(|queue| queue.is_state_stale = true);
    }

    /// Must the state be read again?
    pub(super) fn take_invalidation(&self) -> bool {
        let mut is_stale = false;
        self.0.send_modify(|queue| is_stale = std::mem::take(&mut queue.is_state_stale));
        is_stale
    }

    /// A step that may take long. It is dropped, and must have changed nothing then, when a revert arrives.
    pub(super) async fn unless_revert_pending<T>(&self, step: impl Future<Output = T>) -> Result<T, Rejection> {
        let mut sent = self.0.subscribe();
        tokio::select! {
            biased;
            _ = sent.wait_for(Queue::has_revert) => Err(revert_first()),
            done = step => Ok(done),
        }
    }

    /// Must the running change give way?
    pub(super) fn has_revert(&self) -> bool {
        self.0.borrow().has_revert()
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
