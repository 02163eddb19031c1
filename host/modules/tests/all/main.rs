//! The registry with real components: the guests that `make rogue` builds.

mod cache;
mod registry;
mod support;
