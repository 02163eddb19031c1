//! The first version of a small engine.

rogue_components::engine! {
    version: "1.0.0",
    storage: (1, 1),
    secret_kinds: ["token"],
    root: [],
    before: |_| ()
}
