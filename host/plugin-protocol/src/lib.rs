//! The go-plugin and Vault backend protocol for secrets engines written in Rust.
