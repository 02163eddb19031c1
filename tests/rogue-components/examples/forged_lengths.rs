//! Gives the host strings that reach beyond its memory: as an argument or as its answer.

#![expect(unsafe_code, reason = "that is the misbehaviour")]

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::host::logging::{Level, log};
use rogue_components::{Answer, argument, data};

rogue_components::guest!(crate::handle);

/// More than a guest's memory has.
const LENGTH: usize = 0x7fff_0000;

fn handle(request: Request) -> Answer {
    let honest = String::from("short");
    // SAFETY: none. The string is a lie, which only the host may look at.
    let forged = unsafe {
        let bytes = std::slice::from_raw_parts(honest.as_ptr(), LENGTH);
        std::str::from_utf8_unchecked(bytes)
    };
    if argument(&request) == "argument" {
        log(Level::Info, forged, &[]);
        return data("{}");
    }
    std::mem::forget(honest);
    // SAFETY: none, as above.
    let forged = unsafe { String::from_raw_parts(forged.as_ptr().cast_mut(), LENGTH, LENGTH) };
    let mut answer = data("{}");
    if let Ok(Some(response)) = &mut answer {
        response.data = Some(forged);
    }
    answer
}
