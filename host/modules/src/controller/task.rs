//! The task that changes a mount's module, one message at a time.
//!
//! A change runs to its end although the client that asked for it goes away. The task ends with its controller.

use std::future::Future;
use std::sync::{Arc, Weak};

use tokio::task::JoinHandle;

use super::mailbox::{Lifecycle, Mailbox, Message, Revert};
use super::{ModuleController, Work};

/// Receives messages for as long as the controller lives.
pub(super) fn start(controller: &Arc<ModuleController>) {
    let (mailbox, controller) = (Arc::clone(&controller.mailbox), Arc::downgrade(controller));
    drop(spawn(run(mailbox, controller)));
}

async fn run(mailbox: Arc<Mailbox>, controller: Weak<ModuleController>) {
    let mut work = Work::default();
    while let Some(message) = mailbox.next(work.retry_at, || controller.strong_count() == 0).await {
        let Some(controller) = controller.upgrade() else { return };
        let mount = controller.name().to_owned();
        let changing = spawn(async move {
            controller.receive(&mut work, message).await;
            work
        });
        // A panic ends only its own message: the next one reads the stored state.
        work = changing.await.unwrap_or_else(|stopped| {
            tracing::error!(mount, %stopped, "a change of module stopped before its end");
            Work::default()
        });
    }
}

impl ModuleController {
    async fn receive(&self, work: &mut Work, message: Message) {
        match message {
            Message::Reconcile => {
                // Log and report have the failure.
                let _ = self.reconcile_and_report(work).await;
            }
            Message::Start(reply) => {
                let Some(caller) = reply.begin() else { return };
                let is_started = self.mailbox.lifecycle() == Lifecycle::Started;
                let _ = caller.send(if is_started { Ok(()) } else { self.reconcile_and_report(work).await });
            }
            Message::Reload(reply) => {
                let Some(caller) = reply.begin() else { return };
                let _ = caller.send(self.try_all_again(work).await);
            }
            Message::Use(request, reply) => {
                let Some(caller) = reply.begin() else { return };
                let _ = caller.send(self.select(work, request).await);
            }
            Message::Revert(Revert::Operator { unreadable, reply }) => {
                let Some(caller) = reply.begin() else { return };
                let _ = caller.send(self.revert_for_operator(work, unreadable).await);
            }
            Message::Revert(Revert::FailedTrial(failed)) => self.revert_automatically(work, &failed).await,
        }
    }
}

/// The only place where this crate starts tasks that it does not join.
pub(super) fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "the only place; what it starts ends by itself")]
    tokio::spawn(work)
}
