//! A loaded component, ready to be instantiated for each request.

use std::collections::BTreeSet;
use std::convert;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use envelope::{Request, Response};
use sealed_secrets::{Declaration, PathPattern, Rules};
use tokio::time::Instant;
use wasmtime::component::Component;

use crate::bindings::v0_1::{self, EnginePre};
use crate::bindings::v0_2::{self, AdditionsPre, ExistenceChecksPre};
use crate::description::Description;
use crate::held_secrets::HeldSecrets;
use crate::invoke::{self, Call, Time};
use crate::memory_account::{Account, Held};
use crate::message_share::LARGE_MESSAGES;
use crate::permits::{OF_MOUNT, Refusal, late, refuse_late};
use crate::pool::Pool;
use crate::sealed::{self, Subject};
use crate::shared::Shared;
use crate::store_state::{Caller, StoreState};
use crate::surrogates::Surrogates;
use crate::weight::{request_weight, response_weight};
use crate::{Capability, InvokeError, LoadError, Mount, SealKey};

/// A loaded component.
pub struct Module {
    runtime: Arc<Shared>,
    pool: Arc<Pool>,
    pre: EnginePre<StoreState>,
    capabilities: BTreeSet<Capability>,
    description: Description,
    declaration: Declaration,
    /// The paths of writes with an existence check; `None` if the guest does not list them.
    checked_paths: Option<Vec<PathPattern>>,
    /// Rules on a mount that holds no declarations.
    rules: Arc<Rules>,
    /// Unique among the loaded modules of the process.
    number: u64,
}

/// Exports that a component may lack.
pub(crate) struct Optional {
    pub(crate) additions: Option<AdditionsPre<StoreState>>,
    pub(crate) existence: Option<ExistenceChecksPre<StoreState>>,
}

impl Module {
    /// Calls `describe` and those optional functions that the component has. They reach only the log.
    pub(crate) async fn describe(
        runtime: Arc<Shared>,
        pre: EnginePre<StoreState>,
        optional: Optional,
        capabilities: BTreeSet<Capability>,
    ) -> Result<Self, LoadError> {
        let mount = Mount::nowhere(&runtime.of_mounts());
        let pool = Arc::clone(runtime.pools.of(pre.instance_pre().component()));
        let deadline = runtime.limits.describe_deadline;
        let call = || {
            let (caller, surrogates) = (Caller::default(), Surrogates::default());
            let account = mount.shared.memory.account(runtime.limits.request_memory_bytes_max);
            Call::new(
                &runtime,
                &pool,
                &mount,
                caller,
                surrogates,
                account,
                Time { began: Instant::now(), allowed: deadline },
            )
        };
        let describe = invoke::run(
            &pre,
            call(),
            (),
            |engine, store, ()| Box::pin(engine.secrets_engine_backend_backend().call_describe(store)),
            convert::identity,
        );
        let description = v0_1::check_description(describe.await?)?;
        let mut declaration = Declaration::default();
        if let Some(additions) = &optional.additions {
            let declare = invoke::run(
                additions,
                call(),
                (),
                |additions, store, ()| Box::pin(additions.secrets_engine_secrets_declaration().call_declare(store)),
                convert::identity,
            );
            declaration = v0_2::check_declaration(declare.await?)?;
        }
        let mut checked_paths = None;
        if let Some(existence) = &optional.existence {
            let paths = invoke::run(
                existence,
                call(),
                (),
                |existence, store, ()| Box::pin(existence.secrets_engine_paths_existence().call_checked_paths(store)),
                convert::identity,
            );
            checked_paths = Some(v0_2::check_paths(&paths.await?)?);
        }
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let rules = Arc::new(runtime.rules(&description.name, &declaration, &HeldSecrets::default()));
        Ok(Self { runtime, pool, pre, capabilities, description, declaration, checked_paths, rules, number })
    }

    /// The guest's declaration of its secrets, from the time of loading.
    #[must_use]
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// Words for the secrets that the host keeps from the module on a mount: a line for each class.
    #[must_use]
    pub fn sealed_secrets(&self, mount: &Mount) -> Vec<String> {
        let embedded = self.runtime.embedded_declaration(&self.description.name);
        mount.secrets.held().lines(embedded, &self.declaration)
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

    /// The compiled component.
    pub(crate) fn component(&self) -> &Component {
        self.pre.instance_pre().component()
    }

    /// The compiled code, sealed for `Runtime::load_sealed`. `digest` is the SHA-256 of the component. Blocks for
    /// milliseconds.
    ///
    /// # Errors
    /// When the code cannot be serialized, which does not happen in practice.
    pub fn seal(&self, key: &SealKey, digest: [u8; 32]) -> Result<Vec<u8>, LoadError> {
        let code = self.component().serialize();
        let code = code.map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        Ok(sealed::seal(key, Subject::new(self.runtime.pools.engine(), digest), &code))
    }

    /// Serves one request in a fresh instance. The drop of the future ends the instance.
    ///
    /// # Errors
    /// The guest's own error, or the reason why the guest did not answer.
    pub async fn handle_request(&self, mount: &Arc<Mount>, request: Request) -> Result<Option<Response>, InvokeError> {
        let Admitted { call, request, surrogates, account } = self.admit(mount, request).await?;
        let (path, limits, deadline) = (request.0.path.clone(), Arc::clone(&self.runtime.limits), call.deadline());
        let answer = invoke::run(
            &self.pre,
            call,
            request,
            |engine, store, request| {
                Box::pin(engine.secrets_engine_backend_backend().call_handle_request(store, &request.0))
            },
            move |answer| {
                let mut held = account.nothing();
                let answer = answer.and_then(|answer| v0_1::check_response(answer, &mut held, &limits));
                let answer = surrogates.open_answer(&path, unhidden(answer, &account))?;
                Ok((answer, held))
            },
        )
        .await;
        let (response, held) = self.refused_late(answer, deadline).await?;
        let weight = response.as_ref().map_or(0, response_weight);
        match mount.shared.messages.admit(weight, deadline).await {
            Ok(()) => Ok(response),
            Err(refusal) => {
                let wait = self.runtime.limits.permit_wait.min(deadline.saturating_duration_since(Instant::now()));
                Err(refused(refusal, LARGE_MESSAGES, wait, (response, held)).await)
            }
        }
    }

    /// Existence check in a fresh instance, unless the guest has no check for this path.
    ///
    /// # Errors
    /// As `handle_request`.
    pub async fn check_existence(&self, mount: &Arc<Mount>, request: Request) -> Result<Option<bool>, InvokeError> {
        if self.checked_paths.as_ref().is_some_and(|paths| !paths.iter().any(|path| path.matches(&request.path))) {
            return Ok(None);
        }
        let Admitted { call, request, surrogates, account } = match self.admit(mount, request).await {
            Ok(admitted) => admitted,
            // The request itself fails with the same error; the server hides an error of this check.
            Err(InvokeError::Refused(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (limits, deadline) = (Arc::clone(&self.runtime.limits), call.deadline());
        let answer = invoke::run(
            &self.pre,
            call,
            request,
            |engine, store, request| {
                Box::pin(engine.secrets_engine_backend_backend().call_check_existence(store, &request.0))
            },
            move |answer| {
                let answer = answer.and_then(|answer| v0_1::check_existence(answer, &limits));
                surrogates.checked(unhidden(answer, &account))
            },
        )
        .await;
        self.refused_late(answer, deadline).await
    }

    /// Reserves memory, waits for the turn of a large request, and for a permit. A request that is not admitted holds no memory while its refusal waits.
    async fn admit(&self, mount: &Arc<Mount>, request: Request) -> Result<Admitted, InvokeError> {
        let (limits, began) = (&self.runtime.limits, Instant::now());
        let allowed = request.timeout.unwrap_or(Duration::MAX).min(limits.request_deadline);
        let wait = limits.permit_wait.min(allowed);
        let weight = request_weight(&request);
        // Converted first, so that the memory of secrets is cleared also if the request is not admitted.
        let mut request = v0_1::into_wit(request);
        let account = mount.shared.memory.account(limits.request_memory_bytes_max);
        let held = match account.take(weight) {
            Ok(held) => held,
            Err(limit) => {
                drop(request);
                return self.refused_late(Err(limit.into()), began + wait).await;
            }
        };
        if let Err(refusal) = mount.shared.messages.admit(weight, began + allowed).await {
            return Err(refused(refusal, LARGE_MESSAGES, wait, (request, held)).await);
        }
        let permit = match mount.shared.permits_of(self.pool.kind).acquire(weight, wait).await {
            Ok(permit) => permit,
            Err(refusal) => return Err(refused(refusal, OF_MOUNT, wait, (request, held)).await),
        };
        let of_mount = |held: &HeldSecrets| self.runtime.rules(&self.description.name, &self.declaration, held);
        let rules = mount.secrets.rules(self.number, of_mount);
        let surrogates = Surrogates::new(rules.as_ref().unwrap_or(&self.rules), &account);
        seal_request(&surrogates, &mut request, &account)?;
        let (caller, time) = (caller(&request), Time { began, allowed });
        let call = Call::new(&self.runtime, &self.pool, mount, caller, surrogates.clone(), account.clone(), time);
        Ok(Admitted { call: call.admitted(permit, held), request, surrogates, account })
    }

    /// Delays a refusal for want of memory, after the memory is free: a client that is refused at once asks again at
    /// once.
    async fn refused_late<T>(&self, answer: Result<T, InvokeError>, deadline: Instant) -> Result<T, InvokeError> {
        if let Err(InvokeError::Memory(_)) = answer {
            let left = deadline.saturating_duration_since(Instant::now());
            late(self.runtime.limits.permit_wait.min(left)).await;
        }
        answer
    }
}

/// The error of a request that was refused. One that found a full queue is refused late, and what is held is free by then.
async fn refused(refusal: Refusal, full: &'static str, wait: Duration, held: impl Sized) -> InvokeError {
    match refusal {
        Refusal::Waited(what) => InvokeError::Busy(what),
        Refusal::Full => {
            drop(held);
            refuse_late(wait, full).await
        }
    }
}

/// A request that has a permit, with surrogates for its secrets.
struct Admitted {
    call: Call,
    request: v0_1::WitRequest,
    surrogates: Surrogates,
    account: Account,
}

/// Replaces the secrets of a request. Reserves twice its memory meanwhile, because the check parses its JSON.
fn seal_request(surrogates: &Surrogates, request: &mut v0_1::WitRequest, account: &Account) -> Result<(), InvokeError> {
    let _checked: Held = account.take(request.0.data.len())?;
    surrogates.seal_request(&request.0.path, &mut request.0.data)
}

/// The limit of memory is the reason, whatever error the guest made of the refusal.
fn unhidden<T>(answer: Result<T, InvokeError>, account: &Account) -> Result<T, InvokeError> {
    match (answer, account.refused()) {
        (Err(InvokeError::Guest(error)), Some(limit)) if is_fault(&error) => Err(limit.into()),
        (answer, _) => answer,
    }
}

/// True unless the error is a mistake of the client, or a text that the server knows.
fn is_fault(error: &envelope::Error) -> bool {
    use envelope::Error::{Coded, Internal, User};
    matches!(error, Internal(_) | User(_) | Coded { code: 500.., .. })
}

fn caller(request: &v0_1::WitRequest) -> Caller {
    Caller { mount_point: request.0.mount_point.clone(), request_id: request.0.id.clone() }
}
