//! One call of an export: a fresh store and instance, with a deadline for the whole call, and dropped in every case.
//!
//! A store is not used again after an error: a trap, or a call that was cancelled or late, leaves a store in any state.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use wasmtime::Store;

use crate::bindings::{v0_1, v0_2};
use crate::epoch::ProcessorMeter;
use crate::shared::Shared;
use crate::store_state::{Caller, StoreState};
use crate::surrogates::Surrogates;
use crate::ticker::Ticker;
use crate::{InvokeError, Mount, fault};

/// The store and the deadline of one call.
pub(crate) struct Call {
    store: Store<StoreState>,
    ticker: Arc<Ticker>,
    deadline: Instant,
    allowed: Duration,
}

impl Call {
    /// `allowed` counts from `began`: a request's wait for its turn is part of its time.
    pub(crate) fn new(
        runtime: &Shared,
        mount: &Arc<Mount>,
        caller: Caller,
        surrogates: Surrogates,
        began: Instant,
        allowed: Duration,
    ) -> Self {
        let deadline = began + allowed;
        let limits = Arc::clone(&runtime.limits);
        let state = StoreState::new(Arc::clone(mount), limits, caller, surrogates, runtime.wal_minimum_age, deadline);
        let mut store = Store::new(&runtime.engine, state);
        StoreState::bound(&mut store);
        Self { store, ticker: Arc::clone(&runtime.ticker), deadline, allowed }
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

/// Instantiates and calls, on a fiber: a host call that waits suspends the guest, not the thread.
///
/// # Errors
/// Why the guest did not answer.
pub(crate) async fn run<E: Exports, P, R>(
    component: &E,
    mut call: Call,
    parameter: &P,
    export: impl for<'a> FnOnce(&'a E::Instance, &'a mut Store<StoreState>, &'a P) -> BoxFuture<'a, wasmtime::Result<R>>,
) -> Result<R, InvokeError> {
    let meter = Arc::clone(&call.store.data().meter);
    let store = &mut call.store;
    let called = async move {
        let instance = component.instantiate(&mut *store).await?;
        export(&instance, store, parameter).await
    };
    match tokio::time::timeout_at(call.deadline, metered(&meter, &call.ticker, called)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(fault::classify(&error, call.store.data())),
        Err(_) => Err(InvokeError::Deadline(call.allowed)),
    }
}

/// Counts the time of the polls of a future, and lets the epoch tick during them.
async fn metered<T>(meter: &ProcessorMeter, ticker: &Ticker, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _running = (ticker.enter(), meter.enter());
        future.as_mut().poll(context)
    })
    .await
}
