//! The lifetimes of leases on a mount, kept for a moment: each mint and each renewal needs them, and asking the server
//! would add a wait.
//!
//! A tune of the mount takes effect after that moment. No lease becomes longer by this, because the server caps each
//! lease.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use envelope::{SystemView, SystemViewError};
use tokio::time::Instant;

use crate::limits::LIFETIMES_KEPT;

/// The lifetimes of one mount.
#[derive(Default)]
pub(crate) struct Lifetimes {
    default_ttl: Kept,
    max_ttl: Kept,
}

/// An answer of the server, and its time.
#[derive(Default)]
struct Kept(Mutex<Option<(Instant, Duration)>>);

impl Lifetimes {
    /// The default time to live of a lease, at most [`LIFETIMES_KEPT`] old. A failure is not kept.
    pub(crate) async fn default_ttl(&self, view: &dyn SystemView) -> Result<Duration, SystemViewError> {
        self.default_ttl.or_ask(|| view.default_lease_ttl()).await
    }

    /// The longest life of a lease, at most [`LIFETIMES_KEPT`] old.
    pub(crate) async fn max_ttl(&self, view: &dyn SystemView) -> Result<Duration, SystemViewError> {
        self.max_ttl.or_ask(|| view.max_lease_ttl()).await
    }
}

impl Kept {
    async fn or_ask<F: Future<Output = Result<Duration, SystemViewError>>>(
        &self,
        ask: impl FnOnce() -> F,
    ) -> Result<Duration, SystemViewError> {
        let kept = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, ttl)) = kept.filter(|(since, _)| since.elapsed() < LIFETIMES_KEPT) {
            return Ok(ttl);
        }
        // The age counts from the question, because a tune may come before the answer.
        let asked = Instant::now();
        let ttl = ask().await?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((asked, ttl));
        Ok(ttl)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::atomic::{AtomicU64, Ordering};

    use async_trait::async_trait;

    use super::*;

    /// Fails first; then each answer is one second longer than the previous one.
    #[derive(Default)]
    struct Server(AtomicU64);

    #[async_trait]
    impl SystemView for Server {
        async fn default_lease_ttl(&self) -> Result<Duration, SystemViewError> {
            match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err(SystemViewError::Failed("sealed".to_owned())),
                asked => Ok(Duration::from_secs(asked)),
            }
        }

        async fn max_lease_ttl(&self) -> Result<Duration, SystemViewError> {
            self.default_lease_ttl().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lifetime_is_asked_for_again_after_its_moment_and_a_failure_at_once() {
        let (lifetimes, server) = (Lifetimes::default(), Server::default());
        lifetimes.max_ttl(&server).await.unwrap_err();
        let seconds = async || lifetimes.max_ttl(&server).await.unwrap().as_secs();
        assert_eq!([seconds().await, seconds().await], [1, 1]);
        tokio::time::advance(LIFETIMES_KEPT - Duration::from_millis(1)).await;
        assert_eq!(seconds().await, 1);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(seconds().await, 2);
        assert_eq!(lifetimes.default_ttl(&server).await.unwrap().as_secs(), 3, "each is kept by itself");
    }
}
