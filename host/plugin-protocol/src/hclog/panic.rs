//! Writes panics as log lines. The server would cut the usual text of a panic into lines that are no JSON.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{self, PanicHookInfo};

use tracing::Level;

use super::line;
use super::queue::{Log, Source};

/// Sends every panic of the process to the log.
pub(super) fn install(log: Log) {
    panic::set_hook(Box::new(move |info| {
        log.write(Source::Host, encode(info));
        log.flush();
    }));
}

fn encode(info: &PanicHookInfo<'_>) -> Vec<u8> {
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or_default().to_owned();
    let mut fields = vec![
        ("location".to_owned(), location.into()),
        ("thread".to_owned(), thread.into()),
        ("reason".to_owned(), reason(info.payload()).into()),
    ];
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        fields.push(("backtrace".to_owned(), line::cut_text(&backtrace.to_string()).into()));
    }
    line::encode(Level::ERROR, module_path!(), "the plugin panicked: this is a bug of the plugin", fields)
}

/// The reason of a panic, if its text is a literal. A formatted text is left out: the standard library formats data
/// into some texts, and the data may be secret.
fn reason(payload: &(dyn Any + Send)) -> &str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or("formatted text, left out because the text can hold data")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_reason_of_a_panic_only_if_it_is_a_literal() {
        assert_eq!(reason(&"a bug"), "a bug");
        assert!(!reason(&format!("canary {}", 1)).contains("canary"));
        assert!(!reason(&5).is_empty());
    }
}
