//! A mount, as guests see it through their imports, and the state that all mounts of one backend UUID share.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use envelope::{Storage, SystemView};

use crate::budget::CommonBudget;
use crate::capability::{
    CountedSeries, EngineCounters, Entities, Lifetimes, LockTable, LogRate, Nothing, RatedLines, ReadOnly, SharedView,
};
use crate::egress::{Access, Egress, MountEgress, Policy, UpstreamCalls};
use crate::held_secrets::{HeldSecrets, MountSecrets};
use crate::lane::{Lane, MountLane};
use crate::limits::Limits;
use crate::memory_account::{MountMemory, ProcessMemory};
use crate::message_share::MessageShare;
use crate::permits::{MountPermits, Permits, PoolKind};
use crate::processor_share::ProcessorShare;
use crate::storage_share::StorageShare;

/// Settings of a mount.
pub struct MountSettings {
    /// The server's UUID of the mount; `None` while the server only asks for the plugin's description.
    pub backend_uuid: Option<String>,
    /// Name of the mount in log lines.
    pub name: String,
    /// Options of the mount. With `upstream=read-only` its guests may only read from their upstream.
    pub options: BTreeMap<String, String>,
    /// Destinations of its guests' HTTP requests.
    pub egress: Policy,
    /// Storage of the mount.
    pub storage: Arc<dyn Storage>,
    /// System view of the mount.
    pub system_view: Arc<dyn SystemView>,
}

/// One mount.
pub struct Mount {
    pub(crate) settings: MountSettings,
    pub(crate) shared: Arc<MountShared>,
    pub(crate) egress: Arc<MountEgress>,
    pub(crate) counters: EngineCounters,
    /// Processor time that earlier loads of this backend UUID had used.
    processor_before: Duration,
    pub(crate) secrets: Arc<MountSecrets>,
}

impl Mount {
    /// A mount for `describe`, from which a guest reaches only the log.
    pub(crate) fn nowhere(of_all: &OfAllMounts<'_>) -> Arc<Self> {
        let settings = MountSettings {
            backend_uuid: None,
            name: "(describe)".into(),
            options: BTreeMap::new(),
            egress: Policy::default(),
            storage: Arc::new(Nothing),
            system_view: Arc::new(Nothing),
        };
        Self::new(settings, Arc::new(MountShared::new(of_all)), Arc::default(), of_all)
    }

    fn new(
        settings: MountSettings,
        shared: Arc<MountShared>,
        secrets: Arc<MountSecrets>,
        of_all: &OfAllMounts<'_>,
    ) -> Arc<Self> {
        let egress = shared.egress_by(&settings.egress, of_all.egress);
        let counters = EngineCounters::new(of_all.limits);
        let processor_before = shared.processor.used();
        Arc::new(Self { settings, shared, egress, counters, processor_before, secrets })
    }

    /// Name of the mount in log lines.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The server's view of the mount, within the mount's share of calls.
    pub(crate) fn system_view(&self) -> SharedView<'_> {
        SharedView { view: &*self.settings.system_view, share: &self.shared.storage }
    }

    /// Number and outcome of its guests' outbound requests, since its origins last changed.
    #[must_use]
    pub fn upstream_calls(&self) -> UpstreamCalls {
        self.egress.calls.snapshot()
    }

    /// Bytes of memory that its requests hold: their linear memory, and the data that the host holds for them.
    #[must_use]
    pub fn memory_held(&self) -> usize {
        self.shared.memory.held()
    }

    /// The most bytes that its requests held at a time, since the first load of the mount by this process: a reload does
    /// not reset the figure.
    #[must_use]
    pub fn memory_held_max(&self) -> usize {
        self.shared.memory.held_max()
    }

    /// Counters of its guests.
    #[must_use]
    pub fn counted(&self) -> Vec<CountedSeries> {
        self.counters.series()
    }

    /// Number of dropped calls to counters.
    #[must_use]
    pub fn counts_dropped(&self) -> u64 {
        self.counters.dropped()
    }

    /// Processor time that its requests have used since the server loaded it.
    #[must_use]
    pub fn processor_time(&self) -> Duration {
        self.shared.processor.used().saturating_sub(self.processor_before)
    }

    /// May the host write a line of this size about a request of the mount, which the log knows by this name? Says first how
    /// many such lines were dropped.
    #[must_use]
    pub fn may_log(&self, mount: &str, bytes: usize) -> bool {
        let Some(dropped) = self.shared.host_lines.take(bytes) else { return false };
        if dropped > 0 {
            tracing::warn!(mount, dropped, "lines about failed requests beyond the mount's rate were dropped");
        }
        true
    }

    /// Holds these declarations from now on, for every module that serves the mount.
    pub fn hold_secrets(&self, held: HeldSecrets) {
        self.secrets.hold(held);
    }

    /// Upstream access of its guests. Belongs to this mount alone, because a reload may change the options.
    pub(crate) fn access(&self) -> Access {
        Access::of_options(&self.settings.options)
    }

    /// A copy of this mount for a probe: the same entries, read-only, no HTTP, and permits, locks and log rate of its
    /// own, so that no request waits for the probe.
    pub(crate) fn scratch(&self, of_all: &OfAllMounts<'_>) -> Arc<Self> {
        let MountSettings { backend_uuid, name, options, egress: _, storage, system_view } = &self.settings;
        let settings = MountSettings {
            backend_uuid: backend_uuid.clone(),
            name: name.clone(),
            options: options.clone(),
            egress: Policy::default(),
            storage: Arc::new(ReadOnly(Arc::clone(storage))),
            system_view: Arc::clone(system_view),
        };
        Self::new(settings, Arc::new(MountShared::new(of_all)), Arc::clone(&self.secrets), of_all)
    }
}

/// State that all mounts of the process share.
pub(crate) struct OfAllMounts<'a> {
    pub(crate) egress: &'a Arc<Egress>,
    pub(crate) permits: &'a Permits,
    pub(crate) large_permits: &'a Permits,
    pub(crate) memory: &'a Arc<ProcessMemory>,
    pub(crate) processor: &'a Arc<CommonBudget>,
    pub(crate) storage: &'a Arc<CommonBudget>,
    pub(crate) messages: &'a Arc<CommonBudget>,
    pub(crate) lane: &'a Arc<Lane>,
    pub(crate) limits: &'a Limits,
}

/// State that outlives a reload: the server makes the new mount before it drops the old one.
pub(crate) struct MountShared {
    pub(crate) processor: Arc<ProcessorShare>,
    pub(crate) messages: MessageShare,
    pub(crate) storage: StorageShare,
    pub(crate) memory: Arc<MountMemory>,
    work: Arc<MountLane>,
    permits: MountPermits,
    large_permits: MountPermits,
    pub(crate) locks: LockTable,
    pub(crate) entities: Entities,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) log_rate: Arc<LogRate>,
    host_lines: RatedLines,
    /// The connections of the latest mount. A reload keeps them, unless it changes where guests may send requests.
    egress: Mutex<Weak<MountEgress>>,
}

impl MountShared {
    fn new(of_all: &OfAllMounts<'_>) -> Self {
        let processor = ProcessorShare::new(of_all.limits, of_all.processor);
        Self {
            work: MountLane::new(of_all.lane, &processor),
            permits: of_all.permits.mount(&processor),
            large_permits: of_all.large_permits.mount(&processor),
            processor,
            messages: MessageShare::new(of_all.limits, of_all.messages),
            storage: StorageShare::new(of_all.limits, of_all.storage),
            memory: of_all.memory.mount(),
            locks: LockTable::default(),
            entities: Entities::default(),
            lifetimes: Lifetimes::default(),
            log_rate: Arc::new(LogRate::new(of_all.limits)),
            host_lines: RatedLines::new(Arc::new(LogRate::of_host(of_all.limits))),
            egress: Mutex::default(),
        }
    }

    /// The permits for modules of a pool.
    pub(crate) fn permits_of(&self, pool: PoolKind) -> &MountPermits {
        match pool {
            PoolKind::Ordinary => &self.permits,
            PoolKind::Large => &self.large_permits,
        }
    }

    fn egress_by(&self, policy: &Policy, shared: &Arc<Egress>) -> Arc<MountEgress> {
        let mut latest = self.egress.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = latest.upgrade().filter(|known| *known.policy == *policy) {
            return known;
        }
        let work = Arc::<MountLane>::clone(&self.work);
        let egress = Arc::new(MountEgress::new(shared, policy.clone(), &self.log_rate, work));
        *latest = Arc::downgrade(&egress);
        egress
    }
}

/// The existing mounts, by backend UUID.
#[derive(Default)]
pub(crate) struct Mounts {
    by_uuid: Mutex<HashMap<String, Weak<MountShared>>>,
}

impl Mounts {
    /// A mount that shares with those of the same UUID. Without a UUID the server only asks for the plugin's
    /// description, and there is nothing to share.
    pub(crate) fn mount(&self, settings: MountSettings, of_all: &OfAllMounts<'_>) -> Arc<Mount> {
        let make = || Arc::new(MountShared::new(of_all));
        let Some(uuid) = settings.backend_uuid.clone() else {
            return Mount::new(settings, make(), Arc::default(), of_all);
        };
        let mut by_uuid = self.by_uuid.lock().unwrap_or_else(PoisonError::into_inner);
        by_uuid.retain(|_, shared| shared.strong_count() > 0);
        let known = by_uuid.get(&uuid).and_then(Weak::upgrade);
        let shared = known.unwrap_or_else(|| {
            let shared = make();
            by_uuid.insert(uuid, Arc::downgrade(&shared));
            shared
        });
        drop(by_uuid);
        Mount::new(settings, shared, Arc::default(), of_all)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::egress::{EgressSettings, Origin};

    struct Process {
        egress: Arc<Egress>,
        permits: Permits,
        large_permits: Permits,
        memory: Arc<ProcessMemory>,
        processor: Arc<CommonBudget>,
        storage: Arc<CommonBudget>,
        messages: Arc<CommonBudget>,
        lane: Arc<Lane>,
        limits: Limits,
    }

    impl Default for Process {
        fn default() -> Self {
            let limits = Limits::default();
            let egress = Egress::new(EgressSettings::default(), &limits.egress);
            let permits = Permits::new(limits.requests_in_flight_max, &limits);
            let (processor, storage) = (ProcessorShare::of_all(&limits, 1, 2), StorageShare::of_all(&limits));
            let (messages, memory) = (MessageShare::of_all(&limits), ProcessMemory::new(0));
            let lane = Arc::new(Lane::new());
            Self { egress, large_permits: permits.clone(), permits, memory, processor, storage, messages, lane, limits }
        }
    }

    impl Process {
        fn of_mounts(&self) -> OfAllMounts<'_> {
            let Self { egress, permits, large_permits, memory, processor, storage, messages, lane, limits } = self;
            OfAllMounts { egress, permits, large_permits, memory, processor, storage, messages, lane, limits }
        }
    }

    fn settings(backend_uuid: &str) -> MountSettings {
        MountSettings {
            backend_uuid: Some(backend_uuid).filter(|uuid| !uuid.is_empty()).map(str::to_owned),
            name: "test/".into(),
            options: BTreeMap::new(),
            egress: Policy::default(),
            storage: Arc::new(Nothing),
            system_view: Arc::new(Nothing),
        }
    }

    #[test]
    fn a_reload_keeps_connections_unless_it_changes_where_requests_may_go() {
        let (process, mounts) = (Process::default(), Mounts::default());
        let mount = |origin: &str| {
            let policy = Policy::new("toy", vec![Origin::parse(origin).unwrap()]);
            mounts.mount(MountSettings { egress: policy, ..settings("u1") }, &process.of_mounts())
        };
        let (first, reloaded, moved) =
            (mount("https://a.example"), mount("https://a.example"), mount("https://b.example"));
        assert!(Arc::ptr_eq(&first.egress, &reloaded.egress));
        assert!(!Arc::ptr_eq(&first.egress, &moved.egress));
        assert!(moved.egress.policy.check("https://a.example").is_err());
        assert!(Arc::ptr_eq(&first.shared, &moved.shared), "permits and locks are the mount's all the same");
    }

    #[test]
    fn mounts_share_by_uuid_and_never_without_one() {
        let (process, mounts) = (Process::default(), Mounts::default());
        let mount = |uuid| mounts.mount(settings(uuid), &process.of_mounts());
        let (first, reloaded, other) = (mount("u1"), mount("u1"), mount("u2"));
        assert!(Arc::ptr_eq(&first.shared, &reloaded.shared));
        assert!(!Arc::ptr_eq(&first.shared, &other.shared));
        assert!(!Arc::ptr_eq(&mount("").shared, &mount("").shared));
    }

    #[test]
    fn state_without_a_mount_is_dropped() {
        let (process, mounts) = (Process::default(), Mounts::default());
        for uuid in ["a", "b", "c"] {
            drop(mounts.mount(settings(uuid), &process.of_mounts()));
        }
        let _last = mounts.mount(settings("d"), &process.of_mounts());
        assert_eq!(mounts.by_uuid.lock().map(|by_uuid| by_uuid.len()).ok(), Some(1));
    }
}
