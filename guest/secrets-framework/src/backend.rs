//! A backend: the tables of an engine, and the way of a request through them.

use crate::host::Host;
use crate::{Error, Path, Request, Response, SecretKind};

/// What a handler gets.
pub struct Context<'a> {
    /// The outside.
    pub host: &'a dyn Host,
    /// The request.
    pub request: &'a Request,
}

/// Paths and storage keys that the server treats in a special way.
#[derive(Debug, Default)]
pub struct SpecialPaths {
    /// Need root or `sudo`.
    pub root: &'static [&'static str],
    /// Need no token.
    pub unauthenticated: &'static [&'static str],
    /// Storage that is not replicated.
    pub local_storage: &'static [&'static str],
    /// Storage that the seal wraps: a key, or a prefix that ends in `/`.
    pub seal_wrap_storage: &'static [&'static str],
}

/// An engine. Lives in a `static`: an instance serves one request, so no
/// table is ever built at run time.
#[derive(Debug)]
pub struct Backend {
    /// Its name, for example `astra`.
    pub name: &'static str,
    /// Semantic version, without leading `v`.
    pub version: &'static str,
    /// Root help.
    pub help: &'static str,
    /// See there.
    pub special_paths: SpecialPaths,
    /// Tried in order.
    pub paths: &'static [Path],
    /// Kinds of leased secrets.
    pub secrets: &'static [SecretKind],
    /// Undoes one write-ahead entry; `Ok` drops the entry. See [`crate::wal`].
    pub rollback: Option<fn(&Context<'_>, kind: &str, data: &serde_json::Value) -> Result<(), Error>>,
    /// Periodic work, after the write-ahead entries; `immediate` = the mount is being disabled.
    pub periodic: Option<fn(&Context<'_>, immediate: bool) -> Result<(), Error>>,
}

impl Backend {
    /// Serves one request.
    pub fn handle(&self, host: &dyn Host, request: &Request) -> Result<Option<Response>, Error> {
        let _ = (host, request);
        unimplemented!()
    }

    /// Does the thing that a write names exist? None = its path has no check.
    pub fn check_existence(&self, host: &dyn Host, request: &Request) -> Result<Option<bool>, Error> {
        let _ = (host, request);
        unimplemented!()
    }
}
