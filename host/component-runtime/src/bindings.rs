//! One module for each supported version of the WIT, with its conversions and host functions.

pub(crate) mod v0_1;
pub(crate) mod v0_2;
