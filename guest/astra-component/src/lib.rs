//! The Astra engine as a WebAssembly component. What the engine does is in
//! `astra-secrets`, which knows no WIT; what makes a component of it is in
//! `engine-component`, which knows no engine.

engine_component::export_engine!(astra_secrets::BACKEND);
