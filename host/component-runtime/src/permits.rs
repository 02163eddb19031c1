//! Back-pressure before the pool: a permit of the mount, then a permit of all mounts, each with a deadline.
//!
//! The mount's permit comes first: the requests of a flooded mount wait for each other, and hold nothing that other
//! mounts wait for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::InvokeError;

/// The permit for one instance, until its drop.
pub(crate) struct Permit {
    _mount: OwnedSemaphorePermit,
    _global: OwnedSemaphorePermit,
}

impl Permit {
    /// Waits for both permits, no longer than `wait`.
    ///
    /// # Errors
    /// `Busy` at the deadline.
    pub(crate) async fn acquire(
        mount: &Arc<Semaphore>,
        global: &Arc<Semaphore>,
        wait: Duration,
    ) -> Result<Self, InvokeError> {
        let until = Instant::now() + wait;
        let mount = one(mount, until, "requests in flight to this mount").await?;
        let global = one(global, until, "requests in flight").await?;
        Ok(Self { _mount: mount, _global: global })
    }
}

async fn one(
    semaphore: &Arc<Semaphore>,
    until: Instant,
    what: &'static str,
) -> Result<OwnedSemaphorePermit, InvokeError> {
    if let Ok(permit) = Arc::clone(semaphore).try_acquire_owned() {
        return Ok(permit);
    }
    match tokio::time::timeout_at(until, Arc::clone(semaphore).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) | Err(_) => Err(InvokeError::Busy(what)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_full_mount_is_busy_and_holds_nothing_of_the_others() {
        let (mount, other) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(1)));
        let global = Arc::new(Semaphore::new(2));
        let wait = Duration::from_secs(5);
        let held = Permit::acquire(&mount, &global, wait).await.unwrap();
        let refused = Permit::acquire(&mount, &global, wait).await.err();
        assert_eq!(refused, Some(InvokeError::Busy("requests in flight to this mount")));
        let second = Permit::acquire(&other, &global, wait).await.unwrap();
        drop((held, second));
        assert_eq!(global.available_permits(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_busy_when_all_permits_are_taken() {
        let global = Arc::new(Semaphore::new(1));
        let wait = Duration::from_secs(5);
        let _held = Permit::acquire(&Arc::new(Semaphore::new(1)), &global, wait).await.unwrap();
        let mount = Arc::new(Semaphore::new(1));
        let refused = Permit::acquire(&mount, &global, wait).await.err();
        assert_eq!(refused, Some(InvokeError::Busy("requests in flight")));
        assert_eq!(mount.available_permits(), 1, "the mount's permit was given back");
    }
}
