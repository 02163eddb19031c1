//! A next version that leases one more kind of secret.

rogue_components::engine! {
    version: "2.0.0",
    storage: (1, 1),
    secret_kinds: ["token", "more"],
    root: [],
    before: |_| ()
}
