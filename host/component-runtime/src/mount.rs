//! A mount, as guests see it through their imports, and what all mounts of one backend UUID share.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use envelope::{Storage, SystemView};
use tokio::sync::Semaphore;

use crate::capability::{Entities, LockTable, LogRate, Nothing, ReadOnly};
use crate::egress::{Access, Egress, MountEgress};
use crate::limits::Limits;

/// What a mount is made of.
pub struct MountSettings {
    /// The server's UUID of the backend.
    pub backend_uuid: String,
    /// For log lines.
    pub name: String,
    /// The mount's options. With `upstream=read-only` its guests may only read from their upstream.
    pub options: BTreeMap<String, String>,
    /// Its storage.
    pub storage: Arc<dyn Storage>,
    /// Its system view.
    pub system_view: Arc<dyn SystemView>,
}

/// One mount.
pub struct Mount {
    pub(crate) settings: MountSettings,
    pub(crate) shared: Arc<MountShared>,
}

impl Mount {
    /// A mount for `describe`, which must reach nothing but the log.
    pub(crate) fn nowhere(egress: &Arc<Egress>, limits: &Limits) -> Arc<Self> {
        let settings = MountSettings {
            backend_uuid: String::new(),
            name: "(describe)".into(),
            options: BTreeMap::new(),
            storage: Arc::new(Nothing),
            system_view: Arc::new(Nothing),
        };
        Arc::new(Self {
            settings,
            shared: Arc::new(MountShared::new(|rate| MountEgress::closed(egress, rate), limits)),
        })
    }

    /// As log lines name it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// What its guests may do upstream: of this mount alone, for a reload may change the options.
    pub(crate) fn access(&self) -> Access {
        Access::of_options(&self.settings.options)
    }

    /// This mount for one who may only look: the same entries, which nothing can change, no HTTP, and permits,
    /// locks and log rate of its own, so that nothing waits for it.
    pub(crate) fn scratch(&self, egress: &Arc<Egress>, limits: &Limits) -> Arc<Self> {
        let MountSettings { backend_uuid, name, options, storage, system_view } = &self.settings;
        let settings = MountSettings {
            backend_uuid: backend_uuid.clone(),
            name: name.clone(),
            options: options.clone(),
            storage: Arc::new(ReadOnly(Arc::clone(storage))),
            system_view: Arc::clone(system_view),
        };
        Arc::new(Self {
            settings,
            shared: Arc::new(MountShared::new(|rate| MountEgress::closed(egress, rate), limits)),
        })
    }
}

/// What outlives a reload: the server makes the new mount before it drops the old one.
pub(crate) struct MountShared {
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) locks: LockTable,
    pub(crate) entities: Entities,
    pub(crate) log_rate: Arc<LogRate>,
    pub(crate) egress: Arc<MountEgress>,
}

impl MountShared {
    fn new(egress: impl FnOnce(&Arc<LogRate>) -> MountEgress, limits: &Limits) -> Self {
        let log_rate = Arc::new(LogRate::new(limits.log_lines_per_second_max));
        Self {
            permits: Arc::new(Semaphore::new(limits.requests_in_flight_per_mount_max)),
            locks: LockTable::default(),
            entities: Entities::default(),
            egress: Arc::new(egress(&log_rate)),
            log_rate,
        }
    }
}

/// The mounts that live, by backend UUID.
#[derive(Default)]
pub(crate) struct Mounts {
    by_uuid: Mutex<HashMap<String, Weak<MountShared>>>,
}

impl Mounts {
    /// A mount that shares with those of the same UUID. Without a UUID (the server only asks for the
    /// plugin's description then) there is nobody to share with.
    pub(crate) fn mount(&self, settings: MountSettings, egress: &Arc<Egress>, limits: &Limits) -> Arc<Mount> {
        let make = || Arc::new(MountShared::new(|rate| MountEgress::new(egress, rate), limits));
        if settings.backend_uuid.is_empty() {
            return Arc::new(Mount { settings, shared: make() });
        }
        let mut by_uuid = self.by_uuid.lock().unwrap_or_else(PoisonError::into_inner);
        by_uuid.retain(|_, shared| shared.strong_count() > 0);
        let known = by_uuid.get(&settings.backend_uuid).and_then(Weak::upgrade);
        let shared = known.unwrap_or_else(|| {
            let shared = make();
            by_uuid.insert(settings.backend_uuid.clone(), Arc::downgrade(&shared));
            shared
        });
        drop(by_uuid);
        Arc::new(Mount { settings, shared })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::EgressSettings;

    fn settings(backend_uuid: &str) -> MountSettings {
        MountSettings {
            backend_uuid: backend_uuid.into(),
            name: "test/".into(),
            options: BTreeMap::new(),
            storage: Arc::new(Nothing),
            system_view: Arc::new(Nothing),
        }
    }

    #[test]
    fn mounts_share_by_uuid_and_never_without_one() {
        let (limits, mounts) = (Limits::default(), Mounts::default());
        let egress = Egress::new(EgressSettings::default(), &limits.egress);
        let mount = |uuid| mounts.mount(settings(uuid), &egress, &limits);
        let (first, reloaded, other) = (mount("u1"), mount("u1"), mount("u2"));
        assert!(Arc::ptr_eq(&first.shared, &reloaded.shared));
        assert!(!Arc::ptr_eq(&first.shared, &other.shared));
        assert!(!Arc::ptr_eq(&mount("").shared, &mount("").shared));
    }

    #[test]
    fn what_no_mount_needs_is_forgotten() {
        let (limits, mounts) = (Limits::default(), Mounts::default());
        let egress = Egress::new(EgressSettings::default(), &limits.egress);
        for uuid in ["a", "b", "c"] {
            drop(mounts.mount(settings(uuid), &egress, &limits));
        }
        let _last = mounts.mount(settings("d"), &egress, &limits);
        assert_eq!(mounts.by_uuid.lock().map(|by_uuid| by_uuid.len()).ok(), Some(1));
    }
}
