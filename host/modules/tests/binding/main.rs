//! Which module serves a mount, shown with real modules: versions of a small engine that `make rogue` builds.

mod back;
mod killed;
mod live;
mod name;
mod support;
