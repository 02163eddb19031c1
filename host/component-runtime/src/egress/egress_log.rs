//! Log lines of failed outbound requests. They share the rate of their mount with the lines of its guests, so that an
//! upstream that is down does not flood the log.

use std::sync::Arc;

use super::failure::Failure;
use crate::capability::{LogRate, RatedLines};

/// Bytes that a line counts.
const LINE_BYTES: usize = 512;

/// Log lines of one mount.
pub(crate) struct EgressLog(RatedLines);

/// The request of a line.
pub(crate) struct Subject<'a> {
    pub(crate) mount: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

impl EgressLog {
    pub(crate) fn new(rate: &Arc<LogRate>) -> Self {
        Self(RatedLines::new(Arc::clone(rate)))
    }

    /// Logs why a request was not answered, if the rate of the mount allows a line.
    pub(crate) fn failed(&self, subject: &Subject<'_>, failure: &Failure) {
        let Subject { mount, host, port } = subject;
        if let Failure::Other(error) = failure {
            tracing::debug!(mount, host, port, %error, "outbound request failed");
            return;
        }
        if !self.may_write(mount) {
            return;
        }
        match failure {
            Failure::Refused(_, reason) => tracing::warn!(mount, host, port, reason, "an outbound request was refused"),
            Failure::NotConnected(_, reason) => {
                tracing::warn!(mount, host, port, reason, "no connection to an upstream")
            }
            Failure::NoTrustStore(_, reason) => {
                tracing::error!(mount, reason, "no TLS: this host's trusted certificates cannot be read");
            }
            Failure::Other(_) => {}
        }
    }

    fn may_write(&self, mount: &str) -> bool {
        let Some(dropped) = self.0.take(LINE_BYTES) else { return false };
        if dropped > 0 {
            tracing::warn!(
                mount,
                dropped,
                "log lines of failed outbound requests beyond the mount's rate were dropped"
            );
        }
        true
    }
}
