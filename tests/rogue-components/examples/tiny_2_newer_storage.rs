//! A next version that writes what the one before cannot read.

rogue_components::engine! {
    version: "2.0.0",
    storage: (2, 1),
    secret_kinds: ["token"],
    root: [],
    before: |_| ()
}
