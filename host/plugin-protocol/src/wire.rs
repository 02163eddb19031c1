//! The generated protocol types and service stubs, by package.
//!
//! They come from the files in `proto`; `tests/generated.rs` proves that they are fresh. Most messages can hold
//! secrets, so no message has `Debug`.
#![expect(unreachable_pub, reason = "generated")]
#![expect(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]

#[path = "gen/grpc.health.v1.rs"]
#[rustfmt::skip]
pub mod health;
#[path = "gen/logical.rs"]
#[rustfmt::skip]
pub mod logical;
#[path = "gen/pluginutil.multiplexing.rs"]
#[rustfmt::skip]
pub mod multiplexing;
#[path = "gen/pb.rs"]
#[rustfmt::skip]
pub mod pb;
#[path = "gen/plugin.rs"]
#[rustfmt::skip]
pub mod plugin;
