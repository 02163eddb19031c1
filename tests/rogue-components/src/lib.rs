//! Hostile guests, one file per misbehaviour.
