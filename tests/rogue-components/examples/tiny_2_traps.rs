//! A next version that passes its probe, and traps when a note `trap` is written.

rogue_components::engine! {
    version: "2.0.0",
    storage: (1, 1),
    secret_kinds: ["token"],
    root: [],
    before: |request| assert!(request.path != "trap")
}
