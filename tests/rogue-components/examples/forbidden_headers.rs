//! Sets headers that belong to the connection.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::wasi::http::types::{Fields, HeaderError};
use rogue_components::{Answer, result};

rogue_components::guest!(crate::handle);

const NAMES: [&str; 10] = [
    "Host",
    "Connection",
    "Keep-Alive",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Upgrade",
    "HTTP2-Settings",
];

fn handle(_: Request) -> Answer {
    let refused = |name: &&&str| {
        let set = Fields::from_list(&[((**name).to_owned(), b"x".to_vec())]).map(drop);
        matches!(set, Err(HeaderError::Forbidden))
    };
    let split = Fields::from_list(&[("x-a".to_owned(), b"1\r\nx-b: 2".to_vec())]).map(drop);
    result((NAMES.iter().filter(refused).count(), split.is_err()))
}
