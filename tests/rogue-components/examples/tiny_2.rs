//! Its next version: nothing is wrong with it, and nothing differs but the version.

rogue_components::engine! {
    version: "2.0.0",
    storage: (1, 1),
    secret_kinds: ["token"],
    root: [],
    before: |_| ()
}
