//! A mount's module controller with real modules: versions of a small engine that `make rogue` builds.

mod activate;
mod advertised;
mod engine;
mod fallback;
mod killed;
mod revert;
mod select_request;
mod start;
mod storage;
mod support;
mod transient;
