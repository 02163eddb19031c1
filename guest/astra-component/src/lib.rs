//! The Astra engine as a WebAssembly component: WIT bindings and conversions only.
