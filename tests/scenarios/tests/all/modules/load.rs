//! Clients that send one request after the other without a pause. The benchmark has the load of 1,000 requests a
//! second.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use harness::limits::REQUEST_DEADLINE;
use harness::openbao::Server;
use serde_json::Value;

use super::Toys;

/// One request and its answer.
pub(crate) struct Seen {
    pub(crate) begun: Instant,
    pub(crate) answer: Result<String, String>,
}

/// Clients at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<Seen>>>,
}

impl Load {
    /// Starts this number of clients, each with a connection of its own, which ask for the version.
    pub(crate) fn start(toys: &Toys, clients: usize) -> Self {
        Self::at(&toys.server, &format!("{}/version", toys.name), clients)
    }

    /// The same with another path that answers a `version`.
    pub(crate) fn at(server: &Server, path: &str, clients: usize) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let clients = (0..clients).map(|_| {
            let (client, path) = (server.client(), path.to_owned());
            let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || {
                let mut seen = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let answer = client.try_call("GET", &path, &Value::Null, &[], REQUEST_DEADLINE).and_then(|reply| {
                        let version = reply.body["data"]["version"].as_str().map(str::to_owned);
                        version.ok_or_else(|| format!("{} {}", reply.status, reply.body))
                    });
                    seen.push(Seen { begun, answer });
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        });
        let clients = clients.collect();
        Self { stop, answered, clients }
    }

    /// Waits until the clients got many answers to requests from now on.
    #[track_caller]
    pub(crate) fn go_on(&self, toys: &Toys) {
        let before = self.answered.load(Ordering::Relaxed);
        // One request of each client may be in progress; the other requests take about the same time.
        let enough = before + 10 * self.clients.len();
        toys.server.wait_for("answers", || self.answered.load(Ordering::Relaxed) >= enough);
    }

    /// Ends the clients.
    pub(crate) fn end(self) -> Vec<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}

/// No request failed, and only the two versions served; each request that began after `told` was served by the new one,
/// and there were some before and after.
#[track_caller]
pub(crate) fn assert_switched(seen: &[Seen], old: &str, told: Instant, new: &str) {
    let failed: Vec<_> = seen.iter().filter_map(|seen| seen.answer.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), seen.len(), &failed[..failed.len().min(3)]);
    let version = |seen: &Seen| seen.answer.clone().unwrap_or_default();
    let late: Vec<_> = seen.iter().filter(|seen| seen.begun > told && version(seen) != new).map(version).collect();
    assert!(late.is_empty(), "served by another module after {new} was reported: {late:?}");
    let strange: Vec<_> = seen.iter().map(version).filter(|version| ![old, new].contains(&version.as_str())).collect();
    assert!(strange.is_empty(), "served by neither {old} nor {new}: {strange:?}");
    for wanted in [old, new] {
        assert!(seen.iter().any(|seen| version(seen) == wanted), "none of {} was served by {wanted}", seen.len());
    }
}
