//! Clients that send the same request again and again, whatever the answers are.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::bail;

use crate::raw_client::RawClient;
use crate::samples::figure;
use crate::server::TestServer;

/// The longest pause of a client between two requests.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// A request without its head. With a body, the request is a write.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) body: String,
}

/// Clients at work, each on a thread and a connection of its own.
pub(crate) struct FloodClients {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<anyhow::Result<()>>>,
    connections: Vec<TcpStream>,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    answers: Answers,
}

/// Answers that the clients have had.
#[derive(Default)]
struct Answers {
    all: AtomicUsize,
    /// Those without an error.
    good: AtomicUsize,
}

impl FloodClients {
    /// Starts clients that ask for these things in turns. With a rate in requests a second, all of them together send no
    /// more than that.
    pub(crate) fn start(
        server: &TestServer,
        asked: &[Asked],
        clients: usize,
        rate: Option<f64>,
    ) -> anyhow::Result<Self> {
        let every = rate.map(|rate| Duration::from_secs_f64(figure(clients) / rate.max(0.1)));
        let mut all = Self { shared: Arc::default(), threads: Vec::new(), connections: Vec::new() };
        let first = server.raw_client()?;
        let requests: Vec<Arc<Vec<u8>>> = asked
            .iter()
            .map(|Asked { path, body }| {
                let method = if body.is_empty() { "GET" } else { "POST" };
                Arc::new(first.request(method, path, body))
            })
            .collect();
        for request in requests.iter().cycle().take(clients) {
            let client = server.raw_client()?;
            all.connections.push(client.connection()?);
            let (request, shared) = (Arc::clone(request), Arc::clone(&all.shared));
            all.threads.push(std::thread::spawn(move || shared.flood(client, &request, every)));
        }
        Ok(all)
    }

    /// How many answers the clients have had: all, and those without an error.
    pub(crate) fn answers(&self) -> [usize; 2] {
        let Answers { all, good } = &self.shared.answers;
        [all, good].map(|answers| answers.load(Ordering::Relaxed))
    }

    /// Closes the connections: the server ends what they wait for.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        self.shared.ended.store(true, Ordering::Relaxed);
        for connection in self.connections {
            // The server may have been first.
            let _ = connection.shutdown(Shutdown::Both);
        }
        for thread in self.threads {
            thread.join().unwrap_or_else(|_| bail!("a client panicked"))?;
        }
        Ok(())
    }
}

impl Shared {
    fn flood(&self, mut client: RawClient, request: &[u8], every: Option<Duration>) -> anyhow::Result<()> {
        let mut due = Instant::now();
        while !self.ended.load(Ordering::Relaxed) {
            match client.exchange(request) {
                Ok((status, _)) => {
                    self.answers.all.fetch_add(1, Ordering::Relaxed);
                    self.answers.good.fetch_add(usize::from(status < 300), Ordering::Relaxed);
                }
                Err(_) if self.ended.load(Ordering::Relaxed) => break,
                Err(error) => return Err(error.context("a client of a flood")),
            };
            if let Some(every) = every {
                due += every;
                std::thread::sleep(due.saturating_duration_since(Instant::now()).min(PAUSE_MAX));
            }
        }
        Ok(())
    }
}
