//! Sets headers without end.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::wasi::http::types::Fields;

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    let fields = Fields::new();
    loop {
        let _ = fields.append("x-large", &[b'x'; 1024]);
    }
}
