//! The times of a controller's passes: at the mount's first request, after each change, and repeatedly while a problem
//! lasts.

use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::mailbox::{Message, Reply, Waiting};
use super::outcome::CallError;
use super::report::Report;
use super::{ModuleController, Work, failed_attempts};
use crate::Rejection;
use crate::limits::START_WAIT;

impl ModuleController {
    /// Asks for a pass soon. Requests for a pass are merged until the pass begins. Before the first request there is
    /// no pass, because storage may not answer yet.
    pub fn trigger(&self) {
        if self.storage.is_some() {
            self.mailbox.send(Message::Reconcile);
        }
    }

    /// The server has unloaded the mount. From now on this controller writes nothing.
    pub fn close(&self) {
        self.mailbox.close();
    }

    /// The server has set the mount up and may now accept a state that it refused during the set-up.
    pub fn set_up(&self) {
        if self.report.load().unsaved {
            self.trigger();
        }
    }

    /// Waits for the first pass.
    pub(super) async fn start(&self) -> Result<(), Rejection> {
        let late = |_| {
            let load = self.loading().map(|load| format!("; {load}")).unwrap_or_default();
            Rejection::Transient(format!("the mount had no module after {START_WAIT:?}: try again{load}"))
        };
        let stopped = |_| Rejection::Transient("the first pass over the modules stopped: try again".to_owned());
        let (reply, Waiting { began, outcome }) = Reply::new();
        let start = async {
            self.mailbox.send(Message::Start(reply));
            began.await.map_err(stopped)?;
            outcome.await.map_err(stopped)?
        };
        timeout(START_WAIT, start).await.map_err(late)?
    }

    /// Reconciles for an operator: modules that were rejected before are tried again.
    pub(super) async fn try_all_again(&self, work: &mut Work) -> Result<(), CallError> {
        work.failed_attempts.clear();
        self.source.forget_failures();
        work.logged.clear();
        Ok(self.reconcile_and_report(work).await?)
    }

    /// Reconciles, reports a failure in the log and in the report, and schedules a retry where one is needed.
    pub(super) async fn reconcile_and_report(&self, work: &mut Work) -> Result<(), Rejection> {
        self.mailbox.begin_pass();
        let reconciled = self.reconcile(work).await;
        if let Err(rejection) = &reconciled {
            self.log_problem(rejection.text());
            self.report_problem(rejection.to_string());
        }
        self.schedule_retry(work);
        reconciled
    }

    pub(super) fn report_problem(&self, problem: String) {
        let report = Report { problem: Some(problem), ..Report::clone(&self.report.load()) };
        self.report.store(Arc::new(report));
    }

    /// Logs a problem once while it lasts.
    pub(super) fn log_problem(&self, problem: &str) {
        if self.report.load().problem.as_deref() != Some(problem) {
            tracing::warn!(mount = self.name(), reason = problem, "module reconcile reported a problem");
        }
    }

    pub(super) fn schedule_retry(&self, work: &mut Work) {
        let has_problem = work.unsaved || self.report.load().problem.is_some();
        work.problems = if has_problem { work.problems.saturating_add(1) } else { 0 };
        let for_problem = has_problem.then(|| Instant::now() + failed_attempts::wait(work.problems));
        work.retry_at = for_problem.into_iter().chain(work.failed_attempts.next_retry()).min();
    }
}
