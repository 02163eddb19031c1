//! No misbehaviour: calls all of the host's own functions, and those of WASI that engines call. A copy of it, built for
//! each released world, is kept to be run by every later host.

use rogue_components::bindings::secrets_engine::backend::types::{Lease, Operation, Request, Response, Secret};
use rogue_components::bindings::secrets_engine::host::storage::{self, Entry};
use rogue_components::bindings::secrets_engine::host::{locks, logging, system_view};
use rogue_components::bindings::secrets_engine::metrics::counters;
use rogue_components::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use rogue_components::bindings::wasi::http::types::ErrorCode;
use rogue_components::bindings::wasi::random::random;
use rogue_components::{Answer, data, get};

rogue_components::guest!(crate::handle);

/// Answers the names of what did not do as it should.
fn handle(request: Request) -> Answer {
    if let (Operation::Renew, Some(lease)) = (request.operation, &request.lease) {
        return Ok(Some(leased(lease)));
    }
    let checks = [
        ("storage", storage()),
        ("transaction", transaction()),
        ("locks", locks::acquire("a").is_ok()),
        ("settings", settings()),
        ("server", server()),
        ("clocks", clocks()),
        ("random", random::get_random_bytes(16).len() == 16),
        ("http", matches!(get("https://example.com/"), Err(ErrorCode::HttpRequestDenied))),
    ];
    for level in [logging::Level::Debug, logging::Level::Info, logging::Level::Warn, logging::Level::Error] {
        logging::log(level, "called", &[("field".to_owned(), request.id.clone())]);
    }
    counters::add("called_total", "Calls.", &[("kind".to_owned(), "all".to_owned())], 1);
    let failed: Vec<&str> = checks.iter().filter(|(_, is_right)| !is_right).map(|(name, _)| *name).collect();
    data(&["{\"result\":\"", &failed.join(" "), "\"}"].concat())
}

/// What the server said of the lease, given back.
fn leased(lease: &Lease) -> Response {
    let secret = Secret {
        ttl: lease.ttl,
        max_ttl: lease.max_ttl,
        renewable: lease.renewable,
        internal_data: lease.internal_data.clone(),
    };
    Response { data: None, warnings: vec![], secret: Some(secret), headers: vec![] }
}

fn entry(key: &str) -> Entry {
    Entry { key: key.to_owned(), value: b"1".to_vec(), seal_wrap: true }
}

fn storage() -> bool {
    let keys = ["a/b".to_owned(), "a/c".to_owned()];
    storage::put(&entry("a/b")).is_ok()
        && storage::get("a/b").is_ok_and(|found| found.is_some_and(|entry| entry.value == b"1"))
        && storage::get_many(&keys).is_ok_and(|found| found.len() == 2 && found[1].is_none())
        && storage::list("a/").is_ok_and(|names| names == ["b"])
        && storage::list_page("a/", "b", 1).is_ok_and(|names| names.is_empty())
        && storage::delete("a/b").is_ok()
}

fn transaction() -> bool {
    let Ok(Some(open)) = storage::begin() else { return false };
    open.put(&entry("t/a")).is_ok()
        && open.get("t/a").is_ok_and(|found| found.is_some())
        && open.list("t/").is_ok_and(|names| names == ["a"])
        && open.list_page("t/", "", 1).is_ok_and(|names| names == ["a"])
        && open.delete("t/a").is_ok()
        && open.commit().is_ok()
}

fn settings() -> bool {
    !system_view::backend_uuid().is_empty()
        && system_view::wal_minimum_age() > 0
        && system_view::mount_options().is_empty()
        && system_view::check_egress("https://example.com").is_err()
}

/// What the server of the tests answers.
fn server() -> bool {
    use system_view::Error::Unsupported;
    let second = 1_000_000_000;
    system_view::default_lease_ttl().is_ok_and(|ttl| ttl == 3600 * second)
        && system_view::max_lease_ttl().is_ok_and(|ttl| ttl == 7200 * second)
        && system_view::tainted().is_ok_and(|is_tainted| !is_tainted)
        && system_view::local_mount().is_ok_and(|is_local| !is_local)
        && system_view::replication_state().is_ok_and(|state| !state.performance_standby)
        && system_view::entity_info("entity").is_ok_and(|entity| entity.is_none())
        && matches!(system_view::server_version(), Err(Unsupported))
        && matches!(system_view::generate_password("policy"), Err(Unsupported))
}

fn clocks() -> bool {
    let before = monotonic_clock::now();
    monotonic_clock::subscribe_duration(1).block();
    monotonic_clock::subscribe_instant(before).block();
    wall_clock::now().seconds > 0 && monotonic_clock::now() > before
}
