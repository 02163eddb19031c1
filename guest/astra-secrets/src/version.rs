//! The engine's name and version, as the server and operators see them.

/// The name of the engine.
pub(crate) const NAME: &str = "astra";

/// The version of the engine, without a leading `v`.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
