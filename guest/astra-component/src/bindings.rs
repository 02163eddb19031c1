//! Bindings of the world `engine`, generated from `wit/`.

#![expect(unsafe_code, reason = "generated: the canonical ABI is raw pointers")]
#![expect(missing_docs, reason = "generated: the documentation is in the WIT files")]
#![expect(unreachable_pub, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "secrets-engine:world/engine",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "crate::bindings",
});
