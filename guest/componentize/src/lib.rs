//! Turns a core wasm file with embedded WIT metadata into a component.
