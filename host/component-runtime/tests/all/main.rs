//! The runtime with hostile guests: each fails its own request, and a well-behaved neighbour is still served. `make
//! rogue` builds the guests; the crate `modules` tests those that are versions of one engine.

mod abuse;
mod canary;
mod compiling;
mod counters;
mod egress;
mod hardening;
mod isolation;
mod large;
mod logs;
mod memory;
mod reads;
mod released;
mod sealed_secrets;
mod shared;
mod support;
mod world;

/// Each guest has a test: its name is in one of the files here.
#[test]
fn every_rogue_has_a_test() {
    let sources = [
        include_str!("abuse.rs"),
        include_str!("canary.rs"),
        include_str!("counters.rs"),
        include_str!("egress.rs"),
        include_str!("isolation.rs"),
        include_str!("logs.rs"),
        include_str!("memory.rs"),
        include_str!("reads.rs"),
        include_str!("released.rs"),
        include_str!("sealed_secrets.rs"),
        include_str!("shared.rs"),
        include_str!("world.rs"),
        include_str!("../../../modules/tests/controller/support.rs"),
        include_str!("../../../modules/tests/controller/activate.rs"),
        include_str!("../../../modules/tests/controller/revert.rs"),
    ];
    let names = support::rogue_names();
    assert!(names.len() > 25, "the folder of rogues was not found");
    for name in names {
        let quoted = format!("\"{name}\"");
        assert!(sources.iter().any(|source| source.contains(&quoted)), "the rogue `{name}` has no test");
    }
}
