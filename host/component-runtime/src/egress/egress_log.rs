//! Log lines of failed outbound requests. They share the rate of their mount with the lines of its guests, so that an
//! upstream that is down does not flood the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::failure::Failure;
use crate::capability::LogRate;

/// Bytes that a line counts.
const LINE_BYTES: usize = 512;

/// Log lines of one mount.
pub(crate) struct EgressLog {
    rate: Arc<LogRate>,
    dropped: AtomicU64,
}

/// The request of a line.
pub(crate) struct Subject<'a> {
    pub(crate) mount: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

impl EgressLog {
    pub(crate) fn new(rate: &Arc<LogRate>) -> Self {
        Self { rate: Arc::clone(rate), dropped: AtomicU64::new(0) }
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
        if !self.rate.take(LINE_BYTES) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
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
