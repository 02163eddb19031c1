//! Guests that were built for a released world. They are never built again, and every later host runs them.
//!
//! The release of a world adds a copy of the guest `every_import`, as built then, to `released/`.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests read what is checked in")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use component_runtime::Module;
use envelope::{Lease, Operation, Request, Secret};

use crate::support::{TestRuntime, answer, limits, mount, on_each_scheduler, request, runtime, wasm};

#[test]
fn a_guest_of_a_released_world_is_served_by_every_host() {
    let frozen = std::fs::read_to_string(folder().join("../../../../wit/FROZEN")).unwrap();
    let released_lines = frozen.lines().filter(|line| !line.starts_with("unreleased"));
    let worlds = released_lines.filter_map(|line| line.split_once("secrets-engine-world@"));
    let guests: Vec<Vec<u8>> = worlds.map(|(_, version)| released(version)).collect();
    assert!(!guests.is_empty(), "no world is released");
    on_each_scheduler(|| async {
        let runtime = runtime(limits(), &[]);
        for guest in &guests {
            is_served(&runtime, guest).await;
        }
        // The guest that will be kept when the newest world is released.
        is_served(&runtime, &wasm("every_import")).await;
    });
}

fn released(version: &str) -> Vec<u8> {
    let path = folder().join(format!("{version}.wasm"));
    std::fs::read(&path).unwrap_or_else(|_| {
        panic!("{} is missing: copy `every_import.wasm` there, as `make rogue` builds it now", path.display())
    })
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/released"))
}

async fn is_served(runtime: &TestRuntime, guest: &[u8]) {
    let module = runtime.load(guest).await.unwrap();
    let mount = mount(runtime, "m", &Arc::default());
    assert_eq!(module.description().name, "every_import");
    // The names of the failed steps: none.
    assert_eq!(answer(&module, &mount, "").await.unwrap(), "");
    assert_eq!(module.check_existence(&mount, request("")).await.unwrap(), None);
    let lease = Lease {
        id: Some("lease".to_owned()),
        issue_time: SystemTime::UNIX_EPOCH,
        ttl: Duration::from_secs(1),
        max_ttl: Some(Duration::from_secs(2)),
        increment: None,
        renewable: true,
        internal_data: r#"{"secret_type":"x"}"#.to_owned(),
    };
    let renewed = renew(&module, &mount, lease.clone()).await;
    assert_eq!((renewed.ttl, renewed.max_ttl, renewed.renewable), (Some(lease.ttl), lease.max_ttl, lease.renewable));
    assert_eq!(renewed.internal_data, lease.internal_data);
}

async fn renew(module: &Module, mount: &Arc<component_runtime::Mount>, lease: Lease) -> Secret {
    let request = Request { operation: Operation::Renew, lease: Some(lease), ..request("") };
    module.handle_request(mount, request).await.unwrap().unwrap().secret.unwrap()
}
