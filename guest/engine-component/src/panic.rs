//! Panics: a bug of ours. The instance traps and the request fails; this only
//! tells the log where, for the host cannot see it.

use std::panic::PanicHookInfo;

use crate::bindings::secrets_engine::host::logging::{Level, log};

/// Sends the message of a panic to the log, from now on.
pub(crate) fn report_to_log() {
    std::panic::set_hook(Box::new(report));
}

fn report(info: &PanicHookInfo<'_>) {
    // A formatted message may show data, a token even: only a constant text is passed on.
    let message = info.payload().downcast_ref::<&'static str>().copied().unwrap_or("with a formatted message");
    let place = info.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
    log(Level::Error, "the engine panicked", &[("panic".to_owned(), message.to_owned()), ("place".to_owned(), place)]);
}
