//! Takes memory until there is none left.

use rogue_components::Answer;
use rogue_components::bindings::secrets_engine::backend::types::Request;

rogue_components::guest!(crate::handle);

fn handle(_: Request) -> Answer {
    let mut taken = Vec::new();
    loop {
        taken.push(std::hint::black_box(vec![1_u8; 1024 * 1024]));
    }
}
