//! When a mount looks at what is there: with its first request, when something changed, and again by itself as long
//! as anything is not as it should be.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::report::Report;
use super::{ModuleController, Work, failed_attempts, task};
use crate::Rejection;
use crate::limits::START_WAIT;

/// Has a mount look again later, unless it is dropped.
pub(super) struct Timer(JoinHandle<()>);

impl Timer {
    fn new(controller: Weak<ModuleController>, at: Instant) -> Self {
        Self(task::spawn(async move {
            sleep_until(at).await;
            if let Some(controller) = controller.upgrade() {
                controller.trigger();
            }
        }))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ModuleController {
    /// Looks again, soon and once, however often it is told to meanwhile. Nobody waits for it. The first look is for
    /// the first request to take: before, storage may not answer yet.
    pub fn trigger(self: &Arc<Self>) {
        if self.storage.is_none() || self.closed.load(Ordering::Acquire) {
            return;
        }
        self.changed.store(true, Ordering::Release);
        if !self.started.load(Ordering::Acquire) || self.triggered.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        drop(task::spawn(async move {
            let mut work = Arc::clone(&this).work_queue().await;
            this.triggered.store(false, Ordering::Release);
            // Its failure is in log and status; nobody waits for it.
            let _ = this.reconcile_and_report(&mut work).await;
        }));
    }

    /// The mount is loaded anew or gone: what this binding still does changes nothing any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// The server has set the mount up: what it could not store meanwhile it may by now.
    pub fn set_up(self: &Arc<Self>) {
        if self.report.load().unsaved {
            self.trigger();
        }
    }

    /// The first look, with the first request.
    pub(super) async fn start(self: &Arc<Self>) -> Result<(), Rejection> {
        let late = |_| Rejection::Transient(format!("the mount had no module after {START_WAIT:?}: try again"));
        let start = async {
            let mut work = Arc::clone(self).work_queue().await;
            if self.started.load(Ordering::Acquire) {
                return Ok(());
            }
            let this = Arc::clone(self);
            let started = task::spawn(async move { this.reconcile_and_report(&mut work).await });
            started.await.unwrap_or_else(|stopped| {
                Err(Rejection::Transient(format!("choosing a module did not end: {stopped}")))
            })
        };
        timeout(START_WAIT, start).await.map_err(late)?
    }

    /// `choose`, its failure in log and status, and another look later where one is needed.
    pub(super) async fn reconcile_and_report(self: &Arc<Self>, work: &mut Work) -> Result<(), Rejection> {
        self.changed.store(false, Ordering::Release);
        let was_started = self.started.load(Ordering::Acquire);
        let chosen = self.reconcile(work).await;
        if let Err(rejection) = &chosen {
            self.log_problem(rejection.text());
            self.report_problem(rejection.to_string());
        }
        self.schedule_retry(work);
        if !was_started && self.changed.load(Ordering::Acquire) {
            // What changed during the first look, which none was triggered for.
            self.trigger();
        }
        chosen
    }

    pub(super) fn report_problem(&self, problem: String) {
        let report = Report { problem: Some(problem), ..Report::clone(&self.report.load()) };
        self.report.store(Arc::new(report));
    }

    /// Once, for as long as it is the same.
    pub(super) fn log_problem(&self, problem: &str) {
        if self.report.load().problem.as_deref() != Some(problem) {
            tracing::warn!(mount = self.name(), reason = problem, "the mount's modules are not as they should be");
        }
    }

    pub(super) fn schedule_retry(self: &Arc<Self>, work: &mut Work) {
        let is_troubled = work.unsaved || self.report.load().problem.is_some();
        work.troubled = if is_troubled { work.troubled.saturating_add(1) } else { 0 };
        let for_trouble = is_troubled.then(|| Instant::now() + failed_attempts::wait(work.troubled));
        let at = for_trouble.into_iter().chain(work.failed_attempts.next_retry()).min();
        work.timer = at.map(|at| Timer::new(Arc::downgrade(self), at));
    }
}
