//! What the host knows of a mount, as families of metrics.

use component_runtime::Mount;
use envelope::{ReplicationState, SystemViewError};
use modules::controller::Report;

use super::Family;
use crate::host_paths::status;
use crate::metrics::{MountMetrics, Value, number};

/// What the host knows of a mount at one time.
pub(in crate::host_paths) struct Snapshot<'a> {
    /// The counts of its requests.
    pub(in crate::host_paths) metrics: &'a MountMetrics,
    /// The mount in the runtime.
    pub(in crate::host_paths) mount: &'a Mount,
    /// Which module serves.
    pub(in crate::host_paths) report: &'a Report,
    /// How often a module was reverted automatically.
    pub(in crate::host_paths) automatic_reverts: u64,
    /// What the server says of this node.
    pub(in crate::host_paths) node: Result<ReplicationState, SystemViewError>,
    /// Did the engine answer with its metrics?
    pub(in crate::host_paths) has_engines: bool,
}

/// The families of the host.
pub(in crate::host_paths) fn of_host(snapshot: &Snapshot<'_>) -> Vec<Family> {
    let mut families = of_process(snapshot);
    families.extend(of_requests(snapshot.metrics));
    families.extend(of_runtime(snapshot.mount));
    families.extend(of_module(snapshot));
    families
}

fn one(value: f64) -> Vec<Value> {
    vec![(Vec::new(), value)]
}

fn of_process(snapshot: &Snapshot<'_>) -> Vec<Family> {
    vec![
        Family::new(
            "secrets_engine_counted_since_timestamp_seconds",
            "gauge",
            "When the counters of this mount and process began.",
            one(snapshot.metrics.since()),
        ),
        Family::new(
            "secrets_engine_node_info",
            "gauge",
            "1, with the state of the node that answers. Each node counts the requests that it serves itself.",
            vec![(vec![("state", node(&snapshot.node).to_owned())], 1.0)],
        ),
    ]
}

/// The state of a node in a word.
fn node(state: &Result<ReplicationState, SystemViewError>) -> &'static str {
    match state {
        Ok(ReplicationState { dr_secondary: true, .. }) => "dr_secondary",
        Ok(ReplicationState { performance_standby: true, .. }) => "standby",
        Ok(ReplicationState { performance_secondary: true, .. }) => "performance_secondary",
        Ok(_) => "active",
        Err(_) => "unknown",
    }
}

fn of_requests(metrics: &MountMetrics) -> Vec<Family> {
    vec![
        Family::new(
            "secrets_engine_requests_total",
            "counter",
            "Requests, by operation and outcome.",
            metrics.requests(),
        ),
        Family::new(
            "secrets_engine_request_failures_total",
            "counter",
            "Requests that neither the engine nor the host answered, by cause.",
            metrics.causes(),
        ),
        Family::histogram("secrets_engine_request_duration_seconds", "Time of requests.", metrics.times()),
        Family::new(
            "secrets_engine_requests_in_flight",
            "gauge",
            "Requests in progress, this one among them.",
            one(metrics.in_flight()),
        ),
        Family::new(
            "secrets_engine_leases_total",
            "counter",
            "Leases that were issued, renewed and revoked.",
            metrics.leases(),
        ),
    ]
}

fn of_runtime(mount: &Mount) -> Vec<Family> {
    let calls = mount.upstream_calls();
    let call = |(method, outcome, count): &(&'static str, &'static str, u64)| -> Value {
        (vec![("method", (*method).to_owned()), ("class", (*outcome).to_owned())], number(*count))
    };
    let times = (calls.buckets.clone(), calls.answered, calls.seconds);
    vec![
        Family::new(
            "secrets_engine_upstream_requests_total",
            "counter",
            "Requests to upstreams, by method and class of the answer.",
            calls.calls.iter().map(call).collect(),
        ),
        Family::histogram(
            "secrets_engine_upstream_duration_seconds",
            "Time from a request to the head of its answer.",
            times,
        ),
        Family::new(
            "secrets_engine_processor_seconds_total",
            "counter",
            "Processor time of the requests of this mount.",
            one(mount.processor_time().as_secs_f64()),
        ),
        Family::new(
            "secrets_engine_memory_bytes",
            "gauge",
            "Memory that the requests of this mount hold now, with what the host holds for them.",
            one(number(mount.memory_held() as u64)),
        ),
        Family::new(
            "secrets_engine_memory_peak_bytes",
            "gauge",
            "The most memory that the requests of this mount held at a time.",
            one(number(mount.memory_held_max() as u64)),
        ),
        Family::new(
            "secrets_engine_engine_counts_dropped_total",
            "counter",
            "Counter updates of the engine that the host dropped, for an invalid name or a limit.",
            one(number(mount.counts_dropped())),
        ),
    ]
}

fn of_module(snapshot: &Snapshot<'_>) -> Vec<Family> {
    let report = snapshot.report;
    vec![
        Family::new(
            "secrets_engine_module_info",
            "gauge",
            "1, with the module that serves and its state.",
            vec![(module(report), 1.0)],
        ),
        Family::new(
            "secrets_engine_module_problem",
            "gauge",
            "1 if `module` names a problem: no module serves yet, a fallback serves, or modules cannot be listed.",
            one(number(u64::from(report.problem.is_some()))),
        ),
        Family::new(
            "secrets_engine_module_automatic_reverts_total",
            "counter",
            "Modules that failed their trial and were reverted automatically.",
            one(number(snapshot.automatic_reverts)),
        ),
        Family::new(
            "secrets_engine_engine_metrics",
            "gauge",
            "1 if the engine answered with its metrics.",
            one(number(u64::from(snapshot.has_engines))),
        ),
    ]
}

fn module(report: &Report) -> Vec<(&'static str, String)> {
    let serving = report.serving.as_ref();
    let text = |of: Option<String>| of.unwrap_or_default();
    vec![
        ("engine", text(serving.map(|serving| serving.id.engine.clone()))),
        ("version", text(serving.map(|serving| serving.id.version.to_string()))),
        ("digest", text(serving.map(|serving| serving.digest.to_string()))),
        ("state", status::state(report.condition).to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_says_what_it_is() {
        let state = |performance_standby, performance_secondary, dr_secondary| {
            Ok(ReplicationState { performance_secondary, performance_standby, dr_secondary })
        };
        let rows = [
            (state(false, false, false), "active"),
            (state(true, false, false), "standby"),
            (state(true, true, false), "standby"),
            (state(false, true, false), "performance_secondary"),
            (state(false, false, true), "dr_secondary"),
            (Err(SystemViewError::Unsupported), "unknown"),
        ];
        for (state, word) in rows {
            assert_eq!(node(&state), word);
        }
    }
}
