//! Host side of `secrets-engine:metrics/counters`.

use super::metrics::counters::Host;
use crate::store_state::StoreState;

impl Host for StoreState {
    fn add(&mut self, name: String, help: String, labels: Vec<(String, String)>, number: u64) -> wasmtime::Result<()> {
        Ok(self.count(name, help, labels, number)?)
    }
}
