//! A next version that does not know the leases of before.

rogue_components::engine! {
    version: "2.0.0",
    storage: (1, 1),
    secret_kinds: ["other"],
    root: [],
    before: |_| ()
}
