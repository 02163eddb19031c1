//! Host side of `secrets-engine:host/system-view`.

use std::time::Duration;

use envelope::{SystemView, SystemViewError};

use super::host::system_view::{Entity, Error, Host, Replication};
use crate::store_state::StoreState;

impl Host for StoreState {
    fn backend_uuid(&mut self) -> wasmtime::Result<String> {
        Ok(self.mount.settings.backend_uuid.clone().unwrap_or_default())
    }

    fn mount_options(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.mount.settings.options.clone().into_iter().collect())
    }

    fn wal_minimum_age(&mut self) -> wasmtime::Result<u64> {
        Ok(nanoseconds(self.wal_minimum_age))
    }

    async fn default_lease_ttl(&mut self) -> wasmtime::Result<Result<u64, Error>> {
        granted!(self.quota.system_view_call(""), Error::Failed);
        let answer = self.mount.shared.lifetimes.default_ttl(&self.mount.system_view()).await;
        Ok(answer.map(nanoseconds).map_err(into_wit))
    }

    async fn max_lease_ttl(&mut self) -> wasmtime::Result<Result<u64, Error>> {
        granted!(self.quota.system_view_call(""), Error::Failed);
        let answer = self.mount.shared.lifetimes.max_ttl(&self.mount.system_view()).await;
        Ok(answer.map(nanoseconds).map_err(into_wit))
    }

    async fn tainted(&mut self) -> wasmtime::Result<Result<bool, Error>> {
        granted!(self.quota.system_view_call(""), Error::Failed);
        Ok(self.mount.system_view().tainted().await.map_err(into_wit))
    }

    async fn local_mount(&mut self) -> wasmtime::Result<Result<bool, Error>> {
        granted!(self.quota.system_view_call(""), Error::Failed);
        Ok(self.mount.system_view().local_mount().await.map_err(into_wit))
    }

    async fn replication_state(&mut self) -> wasmtime::Result<Result<Replication, Error>> {
        granted!(self.quota.system_view_call(""), Error::Failed);
        let answer = self.mount.system_view().replication_state().await;
        let state = answer.map(|state| Replication {
            performance_secondary: state.performance_secondary,
            performance_standby: state.performance_standby,
            dr_secondary: state.dr_secondary,
        });
        Ok(state.map_err(into_wit))
    }

    async fn server_version(&mut self) -> wasmtime::Result<Result<String, Error>> {
        granted!(self.quota.system_view_call(""), Error::Failed);
        Ok(self.mount.system_view().server_version().await.map_err(into_wit))
    }

    async fn entity_info(&mut self, entity_id: String) -> wasmtime::Result<Result<Option<Entity>, Error>> {
        granted!(self.quota.system_view_call(&entity_id), Error::Failed);
        let answer = self.mount.shared.entities.info(&self.mount.system_view(), &entity_id).await;
        let entity = answer.map(|found| {
            found.map(|entity| Entity {
                id: entity.id,
                name: entity.name,
                metadata: entity.metadata.into_iter().collect(),
            })
        });
        Ok(entity.map_err(into_wit))
    }

    async fn generate_password(&mut self, policy_name: String) -> wasmtime::Result<Result<String, Error>> {
        granted!(self.quota.system_view_call(&policy_name), Error::Failed);
        Ok(self.mount.system_view().generate_password(&policy_name).await.map_err(into_wit))
    }

    fn check_egress(&mut self, origin: String) -> wasmtime::Result<Result<(), String>> {
        Ok(self.hooks.policy().check(&origin))
    }
}

fn into_wit(error: SystemViewError) -> Error {
    match error {
        SystemViewError::Unsupported => Error::Unsupported,
        SystemViewError::Failed(text) => Error::Failed(text),
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
