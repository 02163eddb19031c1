//! One call of an export, in a fresh store and instance and with a deadline for the whole call. Both are dropped in
//! every case.
//!
//! A store is not used again after an error: a trap, or a call that was cancelled or late, leaves the store in an
//! undefined state.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use wasmtime::Store;

use crate::bindings::{v0_1, v0_2};
use crate::lane::PaidCall;
use crate::memory_account::{Account, Held};
use crate::permits::Permit;
use crate::pool::Pool;
use crate::shared::Shared;
use crate::store_state::{Caller, StoreState};
use crate::surrogates::Surrogates;
use crate::{InvokeError, Mount, fault};

/// The store and the deadline of one call.
pub(crate) struct Call {
    runtime: Arc<Shared>,
    pool: Arc<Pool>,
    store: Store<StoreState>,
    /// Permit and memory of the request, held until the instance is gone. `describe` has none.
    admission: Option<(Permit, Held)>,
    time: Time,
}

/// The time of one call. It counts from when the request came: a wait for its turn is a part of it.
#[derive(Clone, Copy)]
pub(crate) struct Time {
    pub(crate) began: Instant,
    pub(crate) allowed: Duration,
}

impl Time {
    fn deadline(self) -> Instant {
        self.began + self.allowed
    }
}

impl Call {
    pub(crate) fn new(
        runtime: &Arc<Shared>,
        pool: &Arc<Pool>,
        mount: &Arc<Mount>,
        caller: Caller,
        surrogates: Surrogates,
        account: Account,
        time: Time,
    ) -> Self {
        let limits = Arc::clone(&runtime.limits);
        let (mount, wal_minimum_age) = (Arc::clone(mount), runtime.wal_minimum_age);
        let state = StoreState::new(mount, limits, caller, surrogates, wal_minimum_age, time.deadline(), account);
        let mut store = Store::new(&pool.engine, state);
        StoreState::bound(&mut store);
        Self { runtime: Arc::clone(runtime), pool: Arc::clone(pool), store, admission: None, time }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.time.deadline()
    }

    pub(crate) fn admitted(self, permit: Permit, request: Held) -> Self {
        Self { admission: Some((permit, request)), ..self }
    }
}

/// A component whose exports of one version can be called.
pub(crate) trait Exports: Sync {
    /// Its instance.
    type Instance: Send + Sync;

    /// Makes an instance.
    fn instantiate<'a>(&'a self, store: &'a mut Store<StoreState>) -> BoxFuture<'a, wasmtime::Result<Self::Instance>>;
}

impl Exports for v0_1::EnginePre<StoreState> {
    type Instance = v0_1::Engine;

    fn instantiate<'a>(&'a self, store: &'a mut Store<StoreState>) -> BoxFuture<'a, wasmtime::Result<v0_1::Engine>> {
        Box::pin(self.instantiate_async(store))
    }
}

impl Exports for v0_2::AdditionsPre<StoreState> {
    type Instance = v0_2::Additions;

    fn instantiate<'a>(&'a self, store: &'a mut Store<StoreState>) -> BoxFuture<'a, wasmtime::Result<v0_2::Additions>> {
        Box::pin(self.instantiate_async(store))
    }
}

impl Exports for v0_2::ExistenceChecksPre<StoreState> {
    type Instance = v0_2::ExistenceChecks;

    fn instantiate<'a>(&'a self, store: &'a mut Store<StoreState>) -> BoxFuture<'a, wasmtime::Result<Self::Instance>> {
        Box::pin(self.instantiate_async(store))
    }
}

/// Instantiates and calls on a fiber: a host call that waits suspends the guest, not the thread. `check` checks the
/// answer as a part of the call, because a large answer takes time, which counts for the mount.
///
/// # Errors
/// When the guest did not answer. The error says why.
pub(crate) async fn run<E, P, R, T>(
    component: &E,
    call: Call,
    parameter: P,
    export: impl for<'a> FnOnce(&'a E::Instance, &'a mut Store<StoreState>, &'a P) -> BoxFuture<'a, wasmtime::Result<R>>
    + Send
    + 'static,
    check: impl FnOnce(Result<R, InvokeError>) -> Result<T, InvokeError> + Send + 'static,
) -> Result<T, InvokeError>
where
    E: Exports + Clone + Send + 'static,
    P: Send + Sync + 'static,
    R: Send + 'static,
    T: Send + 'static,
{
    let Call { runtime, pool, store, admission, time } = call;
    let (meter, share) = (Arc::clone(&store.data().meter), Arc::clone(&store.data().mount.shared.processor));
    let component = component.clone();
    let call = Box::pin(async move {
        // The order of drops: the instance, then its permit.
        let (_admission, mut store) = (admission, store);
        let called = async {
            let instance = component.instantiate(&mut store).await?;
            export(&instance, &mut store, &parameter).await
        };
        let answer = called.await;
        // Before the error is classified, because a guest may report its panic in its output.
        store.data_mut().log_output();
        let answer = answer.map_err(|error| fault::classify(&error, store.data()));
        drop(store);
        check(answer)
    });
    let call = PaidCall { call, meter, share, ticker: Some(Arc::clone(&pool.ticker)) };
    let answer = tokio::time::timeout_at(time.deadline(), runtime.lane.run(call)).await;
    answer.unwrap_or(Err(InvokeError::Deadline(time.allowed)))
}
