//! One request in this process, with a fresh instance, the guest and a fake storage, beside the same engine in native
//! code. The rounds alternate between one and two threads, so that other load of the machine affects all alike.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use anyhow::Context;
use component_runtime::Runtime;
use secrets_framework::testing::TestHost;
use tokio::runtime::{Builder, Runtime as Tokio};

use crate::component::{self, Component};
use crate::native;
use crate::samples::{Samples, figure, median, microseconds};
use crate::table::{Table, Target, quantity};

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(600);
const COUNTING_CALLS: usize = 2_000;
const WARM_UP: Duration = Duration::from_millis(300);

/// Result of one round of one subject.
struct Round {
    per_second: f64,
    samples: Samples,
}

/// All rounds of one subject.
#[derive(Default)]
struct Rounds {
    per_second: Vec<f64>,
    samples: Samples,
}

impl Rounds {
    fn add(&mut self, round: &Round) {
        self.per_second.push(round.per_second);
        self.samples.extend(&round.samples);
    }

    fn rate(&self) -> f64 {
        median(&self.per_second)
    }
}

pub(crate) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let host = native::configured()?;
    let tokio = tokio()?;
    let component = tokio.block_on(Component::load(&host))?;
    run_native(&host, 1, WARM_UP)?;
    run_component(&component, 2, WARM_UP)?;

    let mut rounds: [Rounds; 4] = Default::default();
    let faults_before = page_faults();
    let mut instances = 0;
    for _ in 0..ROUNDS {
        let found = [
            run_native(&host, 1, ROUND)?,
            run_native(&host, 2, ROUND)?,
            run_component(&component, 1, ROUND)?,
            run_component(&component, 2, ROUND)?,
        ];
        instances += found.iter().skip(2).map(|round| round.samples.count()).sum::<usize>();
        rounds.iter_mut().zip(&found).for_each(|(rounds, round)| rounds.add(round));
    }
    let faults = page_faults().saturating_sub(faults_before);
    let [native_one, native_two, one, two] = rounds;

    table.section("one request in process: read role, one storage read, storage faked");
    let p50 = microseconds(one.samples.percentile(50));
    table.target("component, fresh instance, 1 thread: p50", p50, "µs", Target::AtMost(35.0));
    let note = format!("native p99 {}", time(&native_one.samples, 99));
    table.figure("component, 1 thread: p99", time(&one.samples, 99), note);
    let note = format!("native {}", quantity(native_one.rate(), "req/s"));
    table.figure("component, 1 thread", quantity(one.rate(), "req/s"), note);
    let native_p50 = microseconds(native_one.samples.percentile(50));
    table.figure(
        "component p50 / native p50",
        quantity(p50 / native_p50, "×"),
        format!("native p50 {native_p50:.1} µs"),
    );
    let note = format!("native {}", quantity(native_two.rate(), "req/s"));
    table.figure("component, 2 threads", quantity(two.rate(), "req/s"), note);
    let scale = two.rate() / one.rate();
    table.target("component, 2 threads / 1 thread", scale, "×", Target::AtLeast(1.6));
    let native_scale = native_two.rate() / native_one.rate();
    table.figure("native, 2 threads / 1 thread", quantity(native_scale, "×"), "what this machine gives now");
    let per_request = figure(faults) / figure(instances);
    // New pages in a request show that the request made memory calls; the measurement itself adds a few.
    table.target("page faults in each request", per_request, "", Target::AtMost(0.1));
    counting(table, &host, &tokio, p50)
}

/// Cost of a guest's addition to a counter: a request with a hundred additions beside one without.
fn counting(table: &mut Table, host: &TestHost, tokio: &Tokio, read_us: f64) -> anyhow::Result<()> {
    let guest = tokio.block_on(Component::load_from(host, &harness::rogue_wasm("flood_counters")))?;
    let [mut nothing, mut often] = [Samples::default(), Samples::default()];
    for _ in 0..COUNTING_CALLS {
        for (path, samples) in [("count/nothing", &mut nothing), ("count/often", &mut often)] {
            let request = component::request(envelope::Operation::Read, path.to_owned(), "{}");
            let before = Instant::now();
            tokio.block_on(guest.data(request))?;
            samples.add(before.elapsed());
        }
    }
    let one = (microseconds(often.percentile(50)) - microseconds(nothing.percentile(50))) / 100.0;
    let note =
        format!("{:.2} % of the read above, which counts nothing itself; a mint counts once", 100.0 * one / read_us);
    table.figure("one count of the engine", quantity(one, "µs"), note);
    Ok(())
}

fn time(samples: &Samples, percent: usize) -> String {
    quantity(microseconds(samples.percentile(percent)), "µs")
}

fn run_native(host: &TestHost, threads: usize, length: Duration) -> anyhow::Result<Round> {
    in_threads(threads, length, || {
        // Threads share the mount's mutexes, as in a server, but not requests.
        let request = native::read_role();
        Ok(move || native::handle(host, &request))
    })
}

fn run_component(component: &Component, threads: usize, length: Duration) -> anyhow::Result<Round> {
    in_threads(threads, length, || {
        let tokio = tokio()?;
        let request = component::read_role();
        Ok(move || tokio.block_on(component.handle(request.clone())))
    })
}

/// Calls as often as possible, on this number of threads that begin together.
fn in_threads<F: FnMut() -> anyhow::Result<()>>(
    threads: usize,
    length: Duration,
    caller: impl Fn() -> anyhow::Result<F> + Sync,
) -> anyhow::Result<Round> {
    let together = Barrier::new(threads);
    let results: Vec<anyhow::Result<(Samples, f64)>> = std::thread::scope(|scope| {
        let run = || {
            let call = caller();
            together.wait();
            calls(call?, length)
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| anyhow::bail!("a thread ended"))).collect()
    });
    let mut round = Round { per_second: 0.0, samples: Samples::default() };
    for result in results {
        let (samples, per_second) = result?;
        round.samples.extend(&samples);
        round.per_second += per_second;
    }
    Ok(round)
}

fn calls(mut call: impl FnMut() -> anyhow::Result<()>, length: Duration) -> anyhow::Result<(Samples, f64)> {
    let mut samples = Samples::default();
    let begin = Instant::now();
    while begin.elapsed() < length {
        let before = Instant::now();
        call()?;
        samples.add(before.elapsed());
    }
    let per_second = figure(samples.count()) / begin.elapsed().as_secs_f64();
    Ok((samples, per_second))
}

pub(crate) fn tokio() -> anyhow::Result<Tokio> {
    let mut builder = Builder::new_current_thread();
    builder.event_interval(Runtime::EVENT_INTERVAL).enable_all().build().context("failed to start a runtime")
}

/// Minor page faults of this process so far (`/proc/self/stat`, field 10).
fn page_faults() -> usize {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    after_name.split_whitespace().nth(7).and_then(|field| field.parse().ok()).unwrap_or(0)
}
