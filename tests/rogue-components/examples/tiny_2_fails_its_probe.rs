//! A next version that traps when its version is read, which a probe does.

rogue_components::engine! {
    version: "2.0.0",
    storage: (1, 1),
    secret_kinds: ["token"],
    root: [],
    before: |request| assert!(request.path != "version")
}
