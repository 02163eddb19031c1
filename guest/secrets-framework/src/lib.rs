//! The backend framework: paths, fields, operations, help, OpenAPI, secrets, WAL. Plain Rust without I/O.
