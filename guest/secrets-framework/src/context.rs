//! What a handler gets.

use crate::Request;
use crate::host::Host;

/// The outside and the request.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The outside.
    pub host: &'a dyn Host,
    /// The request.
    pub request: &'a Request,
}
