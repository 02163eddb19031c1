//! Bindings of the world `engine`, generated from `wit/`.

wit_bindgen::generate!({
    path: "../../wit",
    world: "engine",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "engine_component::bindings",
});
