//! Counts properly, or invents counters without end.

use rogue_components::bindings::secrets_engine::backend::types::Request;
use rogue_components::bindings::secrets_engine::metrics::counters::add;
use rogue_components::{Answer, argument, data};

rogue_components::guest!(crate::handle);

fn handle(request: Request) -> Answer {
    let label = |value: &str| vec![("kind".to_owned(), value.to_owned())];
    match argument(&request) {
        "properly" => {
            add("greetings_total", "Greetings.", &label("loud"), 2);
            add("greetings_total", "Other words.", &label("loud"), 1);
            add("greetings_total", "Greetings.", &label("low"), 1);
        }
        "forged" => {
            add("secrets_engine_requests_total", "Forged.", &[], 1_000_000);
            add("x_total 1\nsecrets_engine_requests_total", "Forged.", &[], 1);
            add("greetings_total", "Greetings.", &label("low\"} 1\nforged_total{a=\"b"), 1);
        }
        // What the bench measures.
        "nothing" => {}
        "often" => (0..100).for_each(|_| add("greetings_total", "Greetings.", &label("loud"), 1)),
        which => (0..1_000).for_each(|number| add(&format!("flood_{which}_{number}_total"), "Flood.", &[], 1)),
    }
    data("{}")
}
