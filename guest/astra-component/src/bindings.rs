//! Bindings of the world `engine`, generated from `wit/`.

#![expect(unsafe_code, reason = "generated: the canonical ABI is raw pointers")]

use crate::Component;

wit_bindgen::generate!({
    path: "../../wit",
    world: "engine",
    generate_all,
});

export!(Component with_types_in self);
