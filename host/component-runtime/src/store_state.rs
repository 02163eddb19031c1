//! The state of a store: limits, counts and resources of one request.
//!
//! Fields are dropped in order of declaration: `hooks` first, so that no unfinished HTTP request is sent after the
//! guest is gone.

use std::sync::Arc;
use std::time::Duration;

use envelope::{StorageView, Transaction};
use sealed_secrets::Violation;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use wasmtime::component::ResourceTable;
use wasmtime::{ResourceLimiter, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::capability::{Count, KeptLists, LockGuard, LogBudget, LogLevel, LogLine, Quota};
use crate::egress::{EgressHooks, Received};
use crate::epoch::ProcessorMeter;
use crate::limits::{
    CORE_INSTANCES_PER_REQUEST_MAX, Limits, MEMORIES_PER_REQUEST_MAX, TABLES_PER_REQUEST_MAX, bytes_text,
};
use crate::memory_account::{Account, Held, MemoryLimit};
use crate::output::Output;
use crate::surrogates::Surrogates;
use crate::{Mount, epoch};

/// Bytes that a line about what was dropped counts.
const LINE_BYTES: usize = 256;

/// What the log says that a call belongs to.
#[derive(Default)]
pub(crate) struct Caller {
    /// Path of the mount, if the request has it.
    pub(crate) mount_point: String,
    pub(crate) request_id: String,
}

/// The data of one request's store.
pub(crate) struct StoreState {
    pub(crate) hooks: EgressHooks,
    pub(crate) table: ResourceTable,
    pub(crate) mount: Arc<Mount>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) quota: Quota,
    pub(crate) kept_lists: KeptLists,
    pub(crate) memory: MemoryLimiter,
    pub(crate) account: Account,
    /// Memory of the host's copies for the last call of the guest.
    copied: Held,
    pub(crate) meter: Arc<ProcessorMeter>,
    pub(crate) surrogates: Surrogates,
    pub(crate) wal_minimum_age: Duration,
    /// The guest's panic hook logged a panic.
    pub(crate) panicked: bool,
    caller: Caller,
    log: LogBudget,
    /// Number of the request's calls to counters.
    counts: u32,
    /// Made on first use: it seeds random generators, and most requests need neither them nor a clock.
    wasi: Option<Wasi>,
    http: WasiHttpCtx,
}

impl StoreState {
    pub(crate) fn new(
        mount: Arc<Mount>,
        limits: Arc<Limits>,
        caller: Caller,
        surrogates: Surrogates,
        wal_minimum_age: Duration,
        deadline: Instant,
        account: Account,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles_max);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(limits.egress.header_bytes_max);
        let received = Received::default();
        let path = if caller.mount_point.is_empty() { &mount.settings.name } else { &caller.mount_point };
        let egress = Arc::clone(&mount.egress);
        Self {
            hooks: EgressHooks::new(
                egress,
                mount.access(),
                path,
                deadline,
                received.clone(),
                surrogates.clone(),
                account.clone(),
            ),
            table,
            quota: Quota::new(Arc::clone(&limits)),
            kept_lists: KeptLists::default(),
            memory: MemoryLimiter::new(&limits, account.nothing()),
            copied: account.nothing(),
            account,
            meter: Arc::new(ProcessorMeter::new(&limits, received)),
            surrogates,
            wal_minimum_age,
            panicked: false,
            caller,
            log: LogBudget::default(),
            counts: 0,
            wasi: None,
            http,
            mount,
            limits,
        }
    }

    /// Sets the limits that the store itself enforces.
    pub(crate) fn bound(store: &mut Store<Self>) {
        store.limiter(|state| &mut state.memory);
        let (hostcall_bytes, handles) = (store.data().limits.hostcall_bytes_max, store.data().limits.handles_max);
        store.set_hostcall_fuel(hostcall_bytes);
        store.set_max_component_handles(handles);
        epoch::bound_processor_time(store, |state| &state.meter);
    }

    /// Writes a guest's log line, if its budget allows.
    ///
    /// # Errors
    /// When the line holds a surrogate. Such a line is not written.
    pub(crate) fn log(&mut self, line: &LogLine) -> Result<(), Violation> {
        self.panicked |= line.is_panic();
        self.surrogates.check("a log line", line.texts())?;
        let bytes = line.bytes(self.limits.log_line_bytes_max);
        if self.log.take(bytes, &self.mount.shared.log_rate, &self.limits) {
            line.write(self.mount_name(), &self.caller.request_id, self.limits.log_line_bytes_max);
        }
        Ok(())
    }

    /// Logs the guest's standard output and error. A line that contains a surrogate is not written and fails the
    /// request, like any other log line.
    pub(crate) fn log_output(&mut self) {
        let Some(wasi) = &self.wasi else { return };
        let mut dropped = 0;
        for (level, (lines, more)) in [(LogLevel::Info, wasi.stdout.take()), (LogLevel::Warn, wasi.stderr.take())] {
            for message in lines {
                // The surrogates remember the violation.
                let _ = self.log(&LogLine { level, message, fields: Vec::new() });
            }
            dropped += more;
        }
        let (mount, request_id) = (self.mount_name(), self.caller.request_id.as_str());
        if dropped > 0 && self.mount.may_log(mount, LINE_BYTES) {
            tracing::warn!(mount, request_id, dropped, "bytes of the component's output beyond its limit were dropped");
        }
    }

    /// Reserves memory for the host's copies of a call, in place of those of the previous call.
    ///
    /// # Errors
    /// As `Account::take`.
    pub(crate) fn copy(&mut self, bytes: usize) -> Result<(), MemoryLimit> {
        self.copied.resize(bytes)
    }

    /// As `copy`, for a further value of the same call, whose memory is already reserved.
    pub(crate) fn copy_more(&mut self, more: Held) {
        self.copied.add(more);
    }

    /// Adds to a counter of the engine, if the budget of the request allows.
    ///
    /// # Errors
    /// When a text holds a surrogate. Such a call adds nothing.
    pub(crate) fn count(
        &mut self,
        name: String,
        help: String,
        labels: Vec<(String, String)>,
        number: u64,
    ) -> Result<(), Violation> {
        let count = Count { name, help, labels, number };
        self.surrogates.check("a counter", count.texts())?;
        let counters = &self.mount.counters;
        if self.counts >= self.limits.counts_per_request_max {
            counters.drop_one();
            return Ok(());
        }
        self.counts += 1;
        counters.add(count);
        Ok(())
    }

    /// The mount as operators know it: its path, or else its name.
    fn mount_name(&self) -> &str {
        let path = &self.caller.mount_point;
        if path.is_empty() { &self.mount.settings.name } else { path }
    }
}

/// The host's side of WASI: no arguments, no environment, no files, an empty standard input.
struct Wasi {
    ctx: WasiCtx,
    stdout: Output,
    stderr: Output,
}

impl Wasi {
    fn new(limits: &Limits, account: &Account) -> Self {
        let [stdout, stderr] = [(); 2].map(|()| Output::new(account.nothing()));
        let mut builder = WasiCtx::builder();
        builder.max_random_size(limits.random_bytes_per_call_max as u64);
        builder.stdout(stdout.clone()).stderr(stderr.clone());
        Self { ctx: builder.build(), stdout, stderr }
    }
}

impl Drop for StoreState {
    fn drop(&mut self) {
        self.log_output();
        let dropped = self.log.dropped();
        let (mount, request_id) = (self.mount_name(), self.caller.request_id.as_str());
        if dropped > 0 && self.mount.may_log(mount, LINE_BYTES) {
            tracing::warn!(mount, request_id, dropped, "log lines of the component beyond its limit were dropped");
        }
    }
}

impl WasiView for StoreState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| Wasi::new(&self.limits, &self.account));
        WasiCtxView { ctx: &mut wasi.ctx, table: &mut self.table }
    }
}

impl WasiHttpView for StoreState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.hooks, table: &mut self.table, ctx: &mut self.http }
    }
}

/// A lock, released when dropped.
#[expect(unreachable_pub, reason = "generated bindings re-export it")]
pub struct HeldLock(#[expect(dead_code, reason = "held for its drop")] pub(crate) LockGuard);

/// A transaction until it is committed. If it is dropped before, its implementation rolls it back.
#[expect(unreachable_pub, reason = "generated bindings re-export it")]
pub struct OpenTransaction(pub(crate) Option<(Box<dyn Transaction>, OwnedSemaphorePermit)>);

impl OpenTransaction {
    /// The transaction's view; `None` once it is finished.
    pub(crate) fn view(&self) -> Option<&dyn StorageView> {
        self.0.as_ref().map(|(open, _)| &**open as &dyn StorageView)
    }
}

/// Sums memories and tables of one request, and remembers a refusal: a guest that gets no memory panics, and the panic
/// does not show why.
pub(crate) struct MemoryLimiter {
    memory_bytes: usize,
    memory_bytes_max: usize,
    table_elements: usize,
    table_elements_max: usize,
    denied: Option<String>,
    held: Held,
}

impl MemoryLimiter {
    fn new(limits: &Limits, held: Held) -> Self {
        Self {
            memory_bytes: 0,
            memory_bytes_max: limits.memory_bytes_max,
            table_elements: 0,
            table_elements_max: limits.table_elements_max,
            denied: None,
            held,
        }
    }

    /// The limit that was reached, if any.
    pub(crate) fn denied(&self) -> Option<&str> {
        self.denied.as_deref()
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let sum = self.memory_bytes.saturating_sub(current).saturating_add(desired);
        if sum > self.memory_bytes_max {
            self.denied = Some(format!("{} of memory", bytes_text(self.memory_bytes_max)));
            return Ok(false);
        }
        // An error ends the request here: other requests need the memory, and the guest would report a refusal as its
        // own limit.
        self.held.resize(sum)?;
        self.memory_bytes = sum;
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let sum = self.table_elements.saturating_sub(current).saturating_add(desired);
        if sum > self.table_elements_max {
            self.denied = Some(format!("{} table elements", self.table_elements_max));
            return Ok(false);
        }
        self.table_elements = sum;
        Ok(true)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES_PER_REQUEST_MAX
    }

    fn tables(&self) -> usize {
        TABLES_PER_REQUEST_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_PER_REQUEST_MAX
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::memory_account::ProcessMemory;

    #[test]
    fn linear_memory_is_on_the_account_of_its_request() {
        let account = ProcessMemory::new(0).mount().account(1000);
        let mut limiter = MemoryLimiter::new(&Limits::default(), account.nothing());
        let _held = account.take(300).unwrap();
        assert!(limiter.memory_growing(0, 700, None).unwrap());
        let error = limiter.memory_growing(700, 701, None).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&MemoryLimit::Request(1000)));
        assert_eq!(limiter.denied(), None, "it is not the limit of linear memory");
        drop(limiter);
        assert!(account.take(700).is_ok());
    }

    #[test]
    fn memories_are_summed_and_the_denial_is_remembered() {
        let limits = Limits { memory_bytes_max: 1024, table_elements_max: 10, ..Limits::default() };
        let mut limiter = MemoryLimiter::new(&limits, Account::for_tests().nothing());
        assert!(limiter.memory_growing(0, 600, None).unwrap());
        assert!(limiter.memory_growing(0, 400, None).unwrap());
        assert_eq!(limiter.denied(), None);
        assert!(!limiter.memory_growing(600, 700, None).unwrap(), "each is small, the sum is not");
        assert_eq!(limiter.denied(), Some("1 KiB of memory"));
        assert!(!limiter.table_growing(0, 11, None).unwrap());
        assert_eq!(limiter.denied(), Some("10 table elements"));
    }
}
