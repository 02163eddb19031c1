//! Closed-loop load: threads with one client each, which makes one call after the other.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::raw_client::RawClient;
use crate::samples::{Samples, figure};
use crate::server::TestServer;

/// The repeated operation of a thread.
pub(crate) type Operation<'server> = Box<dyn FnMut(&mut RawClient) -> anyhow::Result<()> + Send + 'server>;

/// The same request each time.
pub(crate) fn same<'server>(request: Vec<u8>) -> Operation<'server> {
    Box::new(move |client| client.send(&request).map(drop))
}

/// Result of one run.
pub(crate) struct Load {
    pub(crate) per_second: f64,
    pub(crate) samples: Samples,
}

/// End of a thread.
#[derive(Clone, Copy)]
pub(crate) enum Until {
    Passed(Duration),
    Done(usize),
}

/// Runs the operation on this number of threads, which begin together.
pub(crate) fn run<'server>(
    server: &'server TestServer,
    threads: usize,
    until: Until,
    operation: impl Fn(&RawClient) -> Operation<'server> + Sync,
) -> anyhow::Result<Load> {
    let together = Barrier::new(threads);
    let results: Vec<anyhow::Result<(Samples, Duration)>> = std::thread::scope(|scope| {
        let run = || {
            let client = server.raw_client();
            together.wait();
            let mut client = client?;
            let call = operation(&client);
            repeat(&mut client, call, until)
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a thread ended"))).collect()
    });
    let (mut samples, mut longest) = (Samples::default(), Duration::ZERO);
    for result in results {
        let (found, elapsed) = result?;
        samples.extend(&found);
        longest = longest.max(elapsed);
    }
    Ok(Load { per_second: figure(samples.count()) / longest.as_secs_f64(), samples })
}

fn repeat(client: &mut RawClient, mut call: Operation<'_>, until: Until) -> anyhow::Result<(Samples, Duration)> {
    let mut samples = Samples::default();
    let begin = Instant::now();
    let over = |samples: &Samples| match until {
        Until::Passed(length) => begin.elapsed() >= length,
        Until::Done(count) => samples.count() >= count,
    };
    while !over(&samples) {
        let before = Instant::now();
        call(client)?;
        samples.add(before.elapsed());
    }
    Ok((samples, begin.elapsed()))
}
