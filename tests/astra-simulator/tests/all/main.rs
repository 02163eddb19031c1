//! Tests of the simulator from outside: each switch and each fault, seen by an HTTP client or on
//! the wire, with the state that is left behind.

#![expect(clippy::unwrap_used, reason = "tests")]

mod auth;
mod client;
mod connection;
mod control;
mod damage;
mod fault;
mod lag;
mod organization;
mod outside;
mod process;
mod record;
mod role;
mod tls;
mod token;
mod token_list;
