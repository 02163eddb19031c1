//! Looks names up, each on a thread of its own, because the system's look-up blocks its thread while a DNS server is
//! silent. Requests for one name share a look-up, and the look-ups of a mount are limited. So a name whose DNS server
//! hangs delays no other name, no other mount, and no other blocking work.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::connect_error::ConnectError;
use super::progress::Phase;
use super::resolve::Resolve;
use crate::limits::{EgressLimits, LOOKUP_STACK_BYTES, LOOKUP_WITHOUT_RESOLVER};

/// Result of a look-up. All waiting requests share the addresses or the reason.
type Found = Result<Arc<[IpAddr]>, Arc<io::Error>>;

/// State of a look-up.
#[derive(Clone)]
enum State {
    Asking,
    /// The system names no DNS server. The error is for a name that local files do not know.
    AskingNobody(Arc<io::Error>),
    Found(Found),
}

/// The look-ups of one mount.
pub(crate) struct Lookups {
    resolver: Arc<dyn Resolve>,
    limits: EgressLimits,
    of_mount: Arc<Semaphore>,
    of_process: Arc<Semaphore>,
    running: Arc<Mutex<Running>>,
}

type Running = HashMap<String, watch::Receiver<State>>;

/// The thread of a look-up returns its places, not the waiting requests: a thread that hangs still counts.
type Places = [OwnedSemaphorePermit; 2];

impl Lookups {
    pub(crate) fn new(resolver: &Arc<dyn Resolve>, limits: &EgressLimits, of_process: &Arc<Semaphore>) -> Self {
        Self {
            resolver: Arc::clone(resolver),
            limits: limits.clone(),
            of_mount: Arc::new(Semaphore::new(limits.lookups_per_mount_max)),
            of_process: Arc::clone(of_process),
            running: Arc::default(),
        }
    }

    /// The addresses of a name.
    ///
    /// # Errors
    /// When there are none at the deadline of the look-up.
    pub(crate) async fn addresses(&self, name: &str) -> Result<Arc<[IpAddr]>, ConnectError> {
        let deadline = Instant::now() + self.limits.lookup_deadline;
        let found = timeout_at(deadline, self.found(name)).await;
        found.map_err(|_| ConnectError::TimedOut(Phase::Name))?.map_err(ConnectError::Dns)
    }

    async fn found(&self, name: &str) -> Found {
        let mut state = match self.running(name) {
            Some(state) => state,
            None => self.begin(name).await?,
        };
        let is_found = |state: &State| matches!(state, State::Found(_));
        if tokio::time::timeout(LOOKUP_WITHOUT_RESOLVER, state.wait_for(is_found)).await.is_err()
            && let State::AskingNobody(reason) = &*state.borrow()
        {
            return Err(Arc::clone(reason));
        }
        let ended = state.wait_for(is_found).await.map(|state| state.clone());
        match ended {
            Ok(State::Found(found)) => found,
            Ok(_) | Err(_) => Err(Arc::new(io::Error::other("the look-up stopped"))),
        }
    }

    fn running(&self, name: &str) -> Option<watch::Receiver<State>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    async fn begin(&self, name: &str) -> Result<watch::Receiver<State>, Arc<io::Error>> {
        let places = [place(&self.of_mount).await?, place(&self.of_process).await?];
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // Another request may have begun the look-up in the meantime.
        if let Some(state) = running.get(name) {
            return Ok(state.clone());
        }
        let (sender, state) = watch::channel(State::Asking);
        self.start(name, sender, places)?;
        running.insert(name.to_owned(), state.clone());
        Ok(state)
    }

    fn start(&self, name: &str, sender: watch::Sender<State>, places: Places) -> io::Result<()> {
        let (resolver, running, name) = (Arc::clone(&self.resolver), Arc::clone(&self.running), name.to_owned());
        let look_up = move || {
            if let Some(reason) = resolver.without_server(&name) {
                sender.send_replace(State::AskingNobody(Arc::new(reason)));
            }
            let found = resolver.lookup(&name);
            running.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            sender.send_replace(State::Found(found.map(Arc::from).map_err(Arc::new)));
            drop(places);
        };
        std::thread::Builder::new().name("dns".to_owned()).stack_size(LOOKUP_STACK_BYTES).spawn(look_up).map(drop)
    }
}

async fn place(semaphore: &Arc<Semaphore>) -> io::Result<OwnedSemaphorePermit> {
    Arc::clone(semaphore).acquire_owned().await.map_err(io::Error::other)
}
