//! The path table: one row for each path, from which routing, help and
//! OpenAPI are all derived. Tables are constants: nothing is built at run
//! time, and `testing::check_table` finds in a test what is wrong in one.

use crate::{Context, Error, Field, FieldData, Operation, Response};

/// One piece of a pattern, between slashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Exactly this text.
    Literal(&'static str),
    /// A name that is captured as the field of this name. Matches any text
    /// without a slash: handlers parse, so that a bad name gets a clear 400.
    Capture(&'static str),
}

/// Handles one operation of a path.
pub type Handler = fn(&Context<'_>, &FieldData) -> Result<Option<Response>, Error>;

/// Answers whether the thing that a write names exists.
pub type ExistenceCheck = fn(&Context<'_>, &FieldData) -> Result<bool, Error>;

/// One operation of a path.
#[derive(Clone, Copy, Debug)]
pub struct OperationSpec {
    /// The operation that the handler serves.
    pub operation: Operation,
    /// The function that serves the operation.
    pub handler: Handler,
    /// One line for OpenAPI.
    pub summary: &'static str,
    /// Fields of the answer's data, for OpenAPI; empty = no body (204).
    pub response: &'static [Field],
    /// The verb and suffix of the OpenAPI operation ID, where the derived one would not do.
    pub display: DisplayAttributes,
}

impl OperationSpec {
    /// An operation whose answer has no body.
    pub const fn new(operation: Operation, handler: Handler, summary: &'static str) -> Self {
        let display = DisplayAttributes { verb: "", suffix: "" };
        Self { operation, handler, summary, response: &[], display }
    }

    /// The same with these fields in the answer's data.
    pub const fn answering(self, response: &'static [Field]) -> Self {
        Self { response, ..self }
    }

    /// The same with an OpenAPI name of its own; an empty part is derived.
    pub const fn named(self, verb: &'static str, suffix: &'static str) -> Self {
        Self { display: DisplayAttributes { verb, suffix }, ..self }
    }
}

/// How OpenAPI names an operation.
#[derive(Clone, Copy, Debug, Default)]
pub struct DisplayAttributes {
    /// For example `rotate`; empty = derived from the operation.
    pub verb: &'static str,
    /// For example `root-credentials`; empty = derived from the path.
    pub suffix: &'static str,
}

/// A path.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// Its segments.
    pub pattern: &'static [Segment],
    /// A list path also matches with a trailing slash (`…/?`).
    pub list: bool,
    /// Its fields, captures included.
    pub fields: &'static [Field],
    /// Its operations.
    pub operations: &'static [OperationSpec],
    /// Does the thing exist? Decides between create and update; none = always update.
    pub existence_check: Option<ExistenceCheck>,
    /// First line of its help.
    pub synopsis: &'static str,
    /// The rest of its help.
    pub description: &'static str,
}
