//! A next version with a path that needs `sudo`.

rogue_components::engine! {
    version: "2.0.0",
    storage: (1, 1),
    secret_kinds: ["token"],
    root: ["admin"],
    before: |_| ()
}
