//! What only a real server has.
