//! The hooks of `wasi:http`: which headers a guest may set, and how a request is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http::{HeaderName, header};
use http_body_util::BodyExt;
use tokio::time::Instant;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody, WasiHttpHooks,
};

use super::access::Access;
use super::policy::Policy;
use super::pool::MountEgress;
use super::send::{self, Sender};
use super::work::result_of;
use crate::memory_account::Account;
use crate::surrogates::Surrogates;

/// Bytes of one write to a request's body. Most bodies are smaller.
const BODY_CHUNK_BYTES_MAX: usize = 64 * 1024;
/// Writes to a request's body that wait until the request is sent.
const BODY_CHUNKS_WAITING: usize = 1;
/// Bytes that a request's body may hold before it is collected. `wasmtime-wasi-http` adds one chunk to the waiting
/// ones.
pub(crate) const BODY_BUFFER_BYTES: usize = (BODY_CHUNKS_WAITING + 1) * BODY_CHUNK_BYTES_MAX;

type Sent = http::Response<WasiBody>;
type InTheBackground = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// The hooks of one request of the server.
pub(crate) struct EgressHooks {
    egress: Arc<MountEgress>,
    access: Access,
    /// Path of the mount, for the log.
    mount: Arc<str>,
    deadline: Instant,
    alive: Alive,
    received: Received,
    surrogates: Surrogates,
    account: Account,
}

/// Bytes of answer bodies that the guest has received. Clones share the count.
#[derive(Clone, Default)]
pub(crate) struct Received(Arc<AtomicUsize>);

impl Received {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts the bytes that the guest takes from a body.
    fn count(self, body: WasiBody) -> WasiBody {
        let count = move |frame: http_body::Frame<bytes::Bytes>| {
            self.add(frame.data_ref().map_or(0, bytes::Bytes::len));
            frame
        };
        body.map_frame(count).boxed_unsync()
    }
}

/// Tells whether the guest still exists: a body that a dropped store leaves behind looks finished.
#[derive(Clone)]
pub(crate) struct Alive(Arc<AtomicBool>);

impl Alive {
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    pub(crate) fn is_so(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl EgressHooks {
    pub(crate) fn new(
        egress: Arc<MountEgress>,
        access: Access,
        mount: &str,
        deadline: Instant,
        received: Received,
        surrogates: Surrogates,
        account: Account,
    ) -> Self {
        let alive = Alive(Arc::new(AtomicBool::new(true)));
        Self { egress, access, mount: mount.into(), deadline, alive, received, surrogates, account }
    }

    #[cfg(test)]
    pub(crate) fn alive(&self) -> Alive {
        self.alive.clone()
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.egress.policy
    }
}

impl Drop for EgressHooks {
    fn drop(&mut self) {
        self.alive.0.store(false, Ordering::Release);
    }
}

impl WasiHttpHooks for EgressHooks {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    fn is_forbidden_header(&mut self, name: &HeaderName) -> bool {
        is_forbidden(name)
    }

    /// The client writes the header, from the checked address.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _sent: InTheBackground,
    ) -> Box<dyn Future<Output = Result<(Sent, InTheBackground), Error>> + Send> {
        let (egress, access, mount) = (Arc::clone(&self.egress), self.access, Arc::clone(&self.mount));
        let (alive, deadline, received) = (self.alive.clone(), self.deadline, self.received.clone());
        let (surrogates, account) = (self.surrogates.clone(), self.account.clone());
        let work = Arc::clone(&egress.work);
        let sent = async move {
            let (mount, alive, surrogates, account) = (&*mount, &alive, &surrogates, &account);
            let sender = Sender { egress: &egress, access, mount, alive, surrogates, account };
            send::send(&sender, request, options.unwrap_or_default(), deadline).await
        };
        Box::new(async move {
            // The mount pays for it: bodies are copied, and cleared at the end.
            let ended = || Err(Error::InternalError(Some("the plugin ended before the request did".to_owned())));
            let sent = result_of(&*work, sent).await.unwrap_or_else(ended);
            let answer = sent?.map(|body| received.count(body));
            Ok((answer, Box::new(async { Ok(()) }) as InTheBackground))
        })
    }

    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        BODY_CHUNKS_WAITING
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        BODY_CHUNK_BYTES_MAX
    }
}

/// Headers that belong to the connection: framing, authority, proxies, upgrades.
fn is_forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name) || [header::TE, header::TRAILER, header::EXPECT].contains(name)
}
