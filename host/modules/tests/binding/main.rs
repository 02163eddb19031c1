//! Which module serves a mount, shown with real modules: versions of a small engine that `make rogue` builds.

mod back;
mod engine;
mod killed;
mod live;
mod name;
mod passing;
mod stand_in;
mod start;
mod storage;
mod support;
mod told;
