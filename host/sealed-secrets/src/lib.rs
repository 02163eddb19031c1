//! Keeps an engine from holding its secrets: the engine gets a surrogate for each value that it declares as secret, and
//! the value comes back where the declaration lets the value go.
//!
//! [`Declaration`] is what an engine declares, [`Rules`] is what holds for a mount, and [`Session`] is one request: the
//! table of its surrogates, and one method for each way by which data cross between host and guest. The crate does no
//! I/O and knows nothing of WebAssembly, storage or HTTP clients.

pub mod limits;

mod base_url;
mod check;
mod declaration;
mod exits;
mod json;
mod pattern;
mod random;
mod rules;
mod session;
mod shape;
mod table;
mod words;

pub use check::DeclarationError;
pub use declaration::{
    Alphabet, AnsweredField, At, Call, Class, Declaration, Destination, RequestField, Shape, ShownField, StoredField,
    StoredOwner, StoredUrl, UnreadableField,
};
pub use pattern::PathPattern;
pub use rules::Rules;
pub use session::{AnsweredCall, OpenedHeader, RefusedRequest, Session, SessionError, Violation};
