//! The plugin binary that Vault or OpenBao starts.
