//! Pretends to be an engine that declares its secrets, declares nothing, and takes the secrets wherever it can.

use rogue_components::thief::{NAME, handle};

rogue_components::guest!(crate::NAME, crate::handle, drop, Vec::new);
