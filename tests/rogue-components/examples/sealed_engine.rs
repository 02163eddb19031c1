//! No misbehaviour by itself: an engine that declares its secrets. It does what its path says, as the thief does.

use rogue_components::thief::{NAME, declare, handle};

rogue_components::guest!(crate::NAME, crate::handle, drop, crate::declare);
