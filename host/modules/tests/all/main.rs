//! The library with real components: the guests that `make rogue` builds.

mod library;
mod support;
