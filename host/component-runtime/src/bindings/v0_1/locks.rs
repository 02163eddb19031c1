//! Host side of `secrets-engine:host/locks`.

use wasmtime::component::Resource;

use super::host::locks::{Error, Host, HostGuard};
use crate::store_state::{HeldLock, StoreState};

impl Host for StoreState {
    async fn acquire(&mut self, key: String) -> wasmtime::Result<Result<Resource<HeldLock>, Error>> {
        granted!(self.quota.lock_taken(&key), Error::Limit);
        let wait = self.limits.lock_wait;
        let acquired = self.mount.shared.locks.acquire(key, wait).await;
        match acquired {
            Ok(guard) => {
                self.kept_lists.forget();
                Ok(Ok(self.table.push(HeldLock(guard))?))
            }
            Err(_) => {
                self.quota.lock_released();
                Ok(Err(Error::TimedOut))
            }
        }
    }
}

impl HostGuard for StoreState {
    async fn drop(&mut self, guard: Resource<HeldLock>) -> wasmtime::Result<()> {
        drop(self.table.delete(guard)?);
        self.quota.lock_released();
        Ok(())
    }
}
