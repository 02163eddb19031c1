//! The decision to end the process, which is made once and which all tasks see.

use tokio::sync::watch;

/// Why the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitReason {
    /// The server called `Shutdown`.
    Shutdown,
    /// The broker's stream ended: the server has gone, or does not use this process any more.
    ServerGone,
    /// The server never opened the broker's stream.
    NeverUsed,
    /// The process got SIGTERM.
    Terminated,
}

impl ExitReason {
    /// A text for the log.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Shutdown => "the server asked for it",
            Self::ServerGone => "the server closed the broker's stream",
            Self::NeverUsed => "the server did not open the broker's stream in time",
            Self::Terminated => "signal SIGTERM",
        }
    }
}

/// The decision. Clones share one.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    reason: watch::Sender<Option<ExitReason>>,
}

impl Exit {
    pub(crate) fn new() -> Self {
        Self { reason: watch::Sender::new(None) }
    }

    /// Asks for the end of the process. The first reason stays.
    pub(crate) fn request(&self, reason: ExitReason) {
        self.reason.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(reason);
            first
        });
    }

    /// The reason, if the process has to end.
    pub(crate) fn reason(&self) -> Option<ExitReason> {
        *self.reason.borrow()
    }

    /// Waits until the process has to end.
    pub(crate) async fn requested(&self) -> ExitReason {
        let mut seen = self.reason.subscribe();
        loop {
            if let Some(reason) = *seen.borrow_and_update() {
                return reason;
            }
            if seen.changed().await.is_err() {
                // Not reached: `self` holds a sender.
                return ExitReason::ServerGone;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays_and_all_see_it() {
        let exit = Exit::new();
        let other = exit.clone();
        let waiting = crate::task::spawn(async move { other.requested().await });
        exit.request(ExitReason::Shutdown);
        exit.request(ExitReason::ServerGone);
        assert_eq!(exit.requested().await, ExitReason::Shutdown);
        assert_eq!(waiting.await.ok(), Some(ExitReason::Shutdown));
    }
}
