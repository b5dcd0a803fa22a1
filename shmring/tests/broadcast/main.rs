//! The broadcast ring: every subscriber receives every message.

#[path = "../common/mod.rs"]
mod common;

mod subscribing;
