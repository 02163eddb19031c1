//! The active module, and its trial: the faults since its activation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::SystemTime;

use component_runtime::InvokeError;
use tokio::time::Instant;

use super::manifest::ModuleManifest;
use crate::LoadedModule;
use crate::limits::{TRIAL_FAULTS_MAX, TRIAL_REQUESTS, TRIAL_TIME};

/// The active module. Requests keep it until they are answered, also when another module replaces it.
pub(super) struct Active {
    pub(super) loaded: Arc<LoadedModule>,
    pub(super) manifest: ModuleManifest,
    pub(super) since: SystemTime,
    trial: Option<Trial>,
}

impl Active {
    /// A module without a trial.
    pub(super) fn proven(loaded: Arc<LoadedModule>, since: SystemTime) -> Arc<Self> {
        Arc::new(Self { manifest: ModuleManifest::of(&loaded), loaded, since, trial: None })
    }

    /// A module whose trial begins now.
    pub(super) fn on_trial(loaded: Arc<LoadedModule>, since: SystemTime) -> Arc<Self> {
        let trial = Trial {
            requests: AtomicU32::new(0),
            faults: AtomicU32::new(0),
            over: AtomicBool::new(false),
            ends: Instant::now() + TRIAL_TIME,
        };
        Arc::new(Self { manifest: ModuleManifest::of(&loaded), loaded, since, trial: Some(trial) })
    }

    /// Can faults still cause an automatic revert?
    pub(super) fn is_on_trial(&self) -> bool {
        self.trial.as_ref().is_some_and(Trial::goes_on)
    }

    /// Counts an answer. Returns true once: when the faults exceed the limit and the module must be reverted.
    pub(super) fn failed_its_trial(&self, fault: Option<&InvokeError>) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.count(fault.is_some_and(is_fault)))
    }

    /// Begins a new trial if the module failed the last one and could not be reverted.
    pub(super) fn resume_trial(&self) {
        if let Some(trial) = &self.trial
            && trial.faults.load(Ordering::Relaxed) > TRIAL_FAULTS_MAX
        {
            trial.faults.store(0, Ordering::Relaxed);
            trial.over.store(false, Ordering::Release);
        }
    }
}

struct Trial {
    requests: AtomicU32,
    faults: AtomicU32,
    over: AtomicBool,
    ends: Instant,
}

impl Trial {
    fn count(&self, is_fault: bool) -> bool {
        if self.over.load(Ordering::Relaxed) {
            return false;
        }
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        if requests > TRIAL_REQUESTS && !self.goes_on() {
            self.over.store(true, Ordering::Relaxed);
            return false;
        }
        let failed = is_fault && self.faults.fetch_add(1, Ordering::Relaxed) >= TRIAL_FAULTS_MAX;
        failed && !self.over.swap(true, Ordering::AcqRel)
    }

    fn goes_on(&self) -> bool {
        let few = self.requests.load(Ordering::Relaxed) <= TRIAL_REQUESTS;
        !self.over.load(Ordering::Relaxed) && (few || Instant::now() < self.ends)
    }
}

/// Did the module itself fail, rather than the client, the server or Astra?
fn is_fault(error: &InvokeError) -> bool {
    matches!(
        error,
        InvokeError::Trap(_) | InvokeError::Contract(_) | InvokeError::ProcessorTime(_) | InvokeError::Sealed(_)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn trial() -> Trial {
        Trial {
            requests: AtomicU32::new(0),
            faults: AtomicU32::new(0),
            over: AtomicBool::new(false),
            ends: Instant::now() + TRIAL_TIME,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_fourth_fault_ends_a_trial_once() {
        let trial = trial();
        let ended: Vec<_> = [true, false, true, true, false, true, true].map(|fault| trial.count(fault)).into();
        assert_eq!(ended, [false, false, false, false, false, true, false]);
        assert!(!trial.goes_on());
    }

    #[tokio::test(start_paused = true)]
    async fn a_trial_lasts_for_its_requests_and_for_its_time() {
        let by_time = trial();
        for _ in 0..TRIAL_REQUESTS * 2 {
            assert!(!by_time.count(false));
        }
        assert!(by_time.goes_on(), "its time is not over");
        let by_requests = trial();
        tokio::time::advance(TRIAL_TIME + Duration::from_secs(1)).await;
        assert!(by_requests.goes_on(), "it had no request yet");
        assert!(!by_time.goes_on());
        for _ in 0..5 {
            assert!(!by_time.count(true), "a fault after the trial does not count");
        }
        assert_eq!([true; 4].map(|fault| by_requests.count(fault)), [false, false, false, true]);
    }

    #[test]
    fn only_the_modules_own_faults_count() {
        let faults = [
            InvokeError::Trap("x".into()),
            InvokeError::Contract("x".into()),
            InvokeError::ProcessorTime(Duration::from_secs(1)),
            InvokeError::Sealed("x".into()),
        ];
        assert!(faults.iter().all(is_fault));
        let others = [
            InvokeError::Busy("x"),
            InvokeError::Memory(component_runtime::MemoryLimit::Mount(1)),
            InvokeError::Deadline(Duration::from_secs(1)),
            InvokeError::Limit { limit: "x".into() },
            InvokeError::Host("x".into()),
            InvokeError::Refused("x".into()),
            InvokeError::Guest(envelope::Error::UnsupportedPath),
        ];
        assert!(!others.iter().any(is_fault));
    }
}
