//! The messages that wait for a mount's controller task.
//!
//! The task changes a mount's module one message at a time. A revert takes precedence: the task receives it first, the
//! waiting changes fail, and the running change gives way at its next slow step. Requests to reconcile are merged: one
//! pass sees everything that changed before the pass began.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep_until};

use super::active::Active;
use super::outcome::{CallError, Done};
use super::select_request::SelectRequest;
use crate::Rejection;

/// One message to the task.
pub(super) enum Message {
    /// A pass over the available modules. No caller waits for it.
    Reconcile,
    /// The first pass. A request that has no module yet waits for it.
    Start(Reply<Result<(), Rejection>>),
    /// A pass that tries rejected modules again. An operator waits for it.
    Reload(Reply<Result<(), CallError>>),
    /// The activation of a module that an operator selected.
    Use(SelectRequest, Reply<Result<Done, CallError>>),
    /// The return to the previous module.
    Revert(Revert),
}

/// Origin of a revert.
pub(super) enum Revert {
    /// The trial of the active module failed.
    FailedTrial(Arc<Active>),
    /// An operator, who waits for the outcome.
    Operator { unreadable: UnreadableStorage, reply: Reply<Result<Done, CallError>> },
}

/// Decides about a revert to a module that cannot read the storage of the module that is reverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnreadableStorage {
    /// The revert fails.
    Refuse,
    /// The revert is done: the operator said `force`.
    Accept,
}

/// Stage in the life of a controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lifecycle {
    /// No pass has finished. The first request causes the first pass: before that, storage may not answer.
    #[default]
    Starting,
    /// A pass has finished. From now on, changes of storage and directory cause passes.
    Started,
    /// The server has unloaded the mount. The controller writes nothing any more.
    Closed,
}

/// The task's side of a call: the caller waits until the task has begun, then for the outcome.
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

    /// The channel for the outcome; `None` if the caller has gone away.
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

/// The rejection of a change that a revert displaces.
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

    /// Refuses the changes that wait, because a revert comes first.
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

/// The waiting messages, and the changes that the task must know about before it receives one.
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
            change => {
                // While a load takes long, requests come and give up.
                queue.changes.retain(|change| !matches!(change, Message::Start(reply) if reply.is_withdrawn()));
                queue.changes.push_back(change);
            }
        });
    }

    /// The next message, or a pass at the time of the scheduled retry; `None` once `is_over` holds.
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
                // The sender cannot be gone: it is this mailbox.
                _ = sent.changed() => {}
                () = until(retry_at) => return Some(Message::Reconcile),
            }
        }
    }

    /// Wakes the task, so that it notices the end of its controller.
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

    /// Records the end of a pass.
    pub(super) fn set_started(&self) {
        self.0.send_modify(|queue| {
            if queue.lifecycle == Lifecycle::Starting {
                queue.lifecycle = Lifecycle::Started;
            }
        });
    }

    /// Records that the server has unloaded the mount.
    pub(super) fn close(&self) {
        self.0.send_modify(|queue| {
            queue.lifecycle = Lifecycle::Closed;
            queue.must_reconcile = false;
        });
    }

    /// Records the begin of a pass, which sees all earlier changes.
    pub(super) fn begin_pass(&self) {
        self.0.send_modify(|queue| queue.must_reconcile = false);
    }

    /// Records that another node has written the stored state.
    pub(super) fn invalidate_state(&self) {
        self.0.send_modify(|queue| queue.is_state_stale = true);
    }

    /// Must the task read the state again? Asking resets the answer.
    pub(super) fn take_invalidation(&self) -> bool {
        let mut is_stale = false;
        self.0.send_modify(|queue| is_stale = std::mem::take(&mut queue.is_state_stale));
        is_stale
    }

    /// Runs a step that may take long. A revert drops the step, so an unfinished step must not change anything.
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
