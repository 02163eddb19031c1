//! The binary as people run it by hand: what it prints, its exit codes, the files that it leaves.

#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "tests make the files that they need")]

mod built;
mod code_cache;
mod compile;
mod inspect;
mod new;
mod program;
mod run;
mod trust;
