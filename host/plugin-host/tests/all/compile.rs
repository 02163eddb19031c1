//! The plugin compiles modules in processes of its own program.

use std::time::Duration;

use component_runtime::egress::EgressSettings;
use component_runtime::{CompilePriority, CompilerProgram, Limits, Runtime, RuntimeSettings};

use crate::program::{plugin, rogue};

#[tokio::test]
async fn started_to_compile_it_compiles_and_does_nothing_else() {
    let limits = Limits { requests_in_flight_max: 8, requests_guaranteed_per_mount: 2, ..Limits::default() };
    let settings = RuntimeSettings {
        egress: EgressSettings::default(),
        upstream_read_only: false,
        wal_minimum_age: Duration::from_secs(600),
        compile_priority: CompilePriority::Background,
        memory_limit: None,
        limits,
    };
    let runtime = Runtime::new(settings).unwrap();
    let path = plugin();
    let arguments = plugin_host::COMPILE.map(Into::into).to_vec();
    runtime.compile_in_processes(CompilerProgram { path, arguments });
    let module = runtime.load(&std::fs::read(rogue("good")).unwrap()).await.unwrap();
    assert_eq!(module.description().name, "good");
}
