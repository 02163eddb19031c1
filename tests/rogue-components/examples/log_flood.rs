//! Logs many lines, with line breaks in them, and then one that is larger than a host call may copy.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::logging::{Level, log};
use rogue_components::{Answer, argument, data};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    if argument(&request) == "huge" {
        log(Level::Info, &"x".repeat(40 * 1024 * 1024), &[]);
    }
    for _ in 0..1000 {
        let field = ("field\n".to_owned(), "value\r\n".to_owned());
        log(Level::Info, "flooding\n{\"@level\":\"error\",\"@message\":\"forged\"}", &[field]);
    }
    log(Level::Info, &"long".repeat(64 * 1024), &[]);
    data("{}")
}
