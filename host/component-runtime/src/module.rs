//! A loaded component, ready to be instantiated for each request.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use envelope::{Request, Response};
use tokio::time::Instant;

use crate::bindings::v0_1::{self, EnginePre};
use crate::description::Description;
use crate::invoke::{self, Call};
use crate::permits::{Refusal, refuse_late};
use crate::sealed::{self, Subject};
use crate::shared::Shared;
use crate::store_state::{Caller, StoreState};
use crate::{Capability, InvokeError, LoadError, Mount, SealKey};

/// A loaded component.
pub struct Module {
    runtime: Arc<Shared>,
    pre: EnginePre<StoreState>,
    capabilities: BTreeSet<Capability>,
    description: Description,
}

impl Module {
    /// Calls `describe`, which reaches nothing but the log.
    pub(crate) async fn describe(
        runtime: Arc<Shared>,
        pre: EnginePre<StoreState>,
        capabilities: BTreeSet<Capability>,
    ) -> Result<Self, LoadError> {
        let mount = Mount::nowhere(&runtime.of_mounts());
        let call = Call::new(&runtime, &mount, Caller::default(), Instant::now(), runtime.limits.describe_deadline);
        let answer = invoke::run(&pre, call, (), |guest, store, ()| Box::pin(guest.call_describe(store))).await?;
        let description = v0_1::check_description(answer)?;
        Ok(Self { runtime, pre, capabilities, description })
    }

    /// The guest's description from the time of loading.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The capabilities that the module asks for, by its imports.
    #[must_use]
    pub fn capabilities(&self) -> &BTreeSet<Capability> {
        &self.capabilities
    }

    /// The compiled code, sealed for `Runtime::load_sealed`. `digest` is the SHA-256 of the component. Blocks for
    /// milliseconds.
    ///
    /// # Errors
    /// When the code cannot be serialized, which does not happen in practice.
    pub fn seal(&self, key: &SealKey, digest: [u8; 32]) -> Result<Vec<u8>, LoadError> {
        let code = self.pre.instance_pre().component().serialize();
        let code = code.map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        Ok(sealed::seal(key, Subject::new(&self.runtime.engine, digest), &code))
    }

    /// Serves one request in a fresh instance. The drop of the future ends the instance.
    ///
    /// # Errors
    /// The guest's own error, or why the guest did not answer.
    pub async fn handle_request(&self, mount: &Arc<Mount>, request: Request) -> Result<Option<Response>, InvokeError> {
        let (call, request) = self.admit(mount, request).await?;
        let answer = invoke::run(&self.pre, call, request, |guest, store, request| {
            Box::pin(guest.call_handle_request(store, &request.0))
        })
        .await?;
        v0_1::check_response(answer, &self.runtime.limits)
    }

    /// Existence check in a fresh instance.
    ///
    /// # Errors
    /// As `handle_request`.
    pub async fn check_existence(&self, mount: &Arc<Mount>, request: Request) -> Result<Option<bool>, InvokeError> {
        let (call, request) = self.admit(mount, request).await?;
        let answer = invoke::run(&self.pre, call, request, |guest, store, request| {
            Box::pin(guest.call_check_existence(store, &request.0))
        })
        .await?;
        v0_1::check_existence(answer, &self.runtime.limits)
    }

    /// Waits for a permit. A request that is not let in holds no memory while it waits for its refusal.
    async fn admit(&self, mount: &Arc<Mount>, request: Request) -> Result<(Call, v0_1::WitRequest), InvokeError> {
        let (limits, began) = (&self.runtime.limits, Instant::now());
        let allowed = request.timeout.unwrap_or(Duration::MAX).min(limits.request_deadline);
        let wait = limits.permit_wait.min(allowed);
        let bytes = request.data.len();
        // Converted first, so that the memory of secrets is cleared also if the request is not let in.
        let request = v0_1::into_wit(request);
        let permit = match mount.shared.permits.acquire(bytes, wait).await {
            Ok(permit) => permit,
            Err(Refusal::Waited(what)) => return Err(InvokeError::Busy(what)),
            Err(Refusal::Full) => {
                drop(request);
                return Err(refuse_late(wait).await);
            }
        };
        let call = Call::new(&self.runtime, mount, caller(&request), began, allowed).with_permit(permit);
        Ok((call, request))
    }
}

fn caller(request: &v0_1::WitRequest) -> Caller {
    Caller { mount_point: request.0.mount_point.clone(), request_id: request.0.id.clone() }
}
