//! The pools that instances come from: one for ordinary components, and one of few and large slots for interpreters and
//! composed components, so that these take nothing from what makes the others fast. Each has an engine of its own.

use std::sync::{Arc, OnceLock};

use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::engine::{self, SlotSize, Started};
use crate::limits::Limits;
use crate::permits::PoolKind;
use crate::store_state::StoreState;
use crate::ticker::Ticker;
use crate::{LoadError, linker};

/// One pool.
pub(crate) struct Pool {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<StoreState>,
    /// Ends the epoch thread with its last user.
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) kind: PoolKind,
}

/// Both pools.
pub(crate) struct Pools {
    ordinary: Arc<Pool>,
    /// Started with the first component that needs it.
    large: OnceLock<Arc<Pool>>,
    limits: Arc<Limits>,
}

impl Pool {
    fn start(kind: PoolKind, wanted: usize, limits: &Limits) -> Result<(Arc<Self>, usize), LoadError> {
        let size = match kind {
            PoolKind::Ordinary => SlotSize::ORDINARY,
            PoolKind::Large => SlotSize::LARGE,
        };
        let Started { engine, requests_max } = engine::start(wanted, size, limits)?;
        let (linker, ticker) = (linker::linker(&engine)?, Arc::new(Ticker::start(&engine)?));
        Ok((Arc::new(Self { engine, linker, ticker, kind }), requests_max))
    }
}

impl Pools {
    /// Starts the ordinary pool. The number is how many requests at once the pool has slots for.
    ///
    /// # Errors
    /// When the machine lacks something that the pool needs.
    pub(crate) fn start(limits: &Arc<Limits>) -> Result<(Self, usize), LoadError> {
        let (ordinary, requests_max) = Pool::start(PoolKind::Ordinary, limits.requests_in_flight_max, limits)?;
        Ok((Self { ordinary, large: OnceLock::new(), limits: Arc::clone(limits) }, requests_max))
    }

    /// The engine by whose settings code is compiled and sealed: those that both engines share.
    pub(crate) fn engine(&self) -> &Engine {
        &self.ordinary.engine
    }

    /// Has `load` make a component for the ordinary pool, or for the large pool if the ordinary pool refuses the component:
    /// only wasmtime knows what a component needs.
    ///
    /// # Errors
    /// Those of `load`.
    pub(crate) fn load(&self, load: impl Fn(&Engine) -> wasmtime::Result<Component>) -> wasmtime::Result<Component> {
        load(&self.ordinary.engine).or_else(|refused| {
            match self.large() {
                // An error of the large pool names the larger of the two limits.
                Ok(large) => load(&large.engine),
                Err(error) => {
                    tracing::warn!(%error, "failed to start the pool for large components: a component that needs this pool does not load");
                    Err(refused)
                }
            }
        })
    }

    /// The pool that a component was loaded for.
    pub(crate) fn of(&self, component: &Component) -> &Arc<Pool> {
        let is_large = |pool: &&Arc<Pool>| Engine::same(&pool.engine, component.engine());
        self.large.get().filter(is_large).unwrap_or(&self.ordinary)
    }

    fn large(&self) -> Result<&Arc<Pool>, LoadError> {
        if let Some(large) = self.large.get() {
            return Ok(large);
        }
        let wanted = self.limits.large_requests_in_flight_max;
        let (started, requests_max) = Pool::start(PoolKind::Large, wanted, &self.limits)?;
        if requests_max < wanted {
            return Err(LoadError::Engine(format!("there is room for {requests_max} of {wanted} slots")));
        }
        Ok(self.large.get_or_init(|| started))
    }
}
