//! Answers an error whose code says success.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::{CodedError, Error, Request};

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    Err(Error::Coded(CodedError { code: 200, message: "all is well".to_owned() }))
}
