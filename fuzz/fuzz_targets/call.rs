//! The pure parts of the call.
#![allow(dead_code, reason = "the program uses the rest")]

#[path = "../../src/call/assembly.rs"]
mod assembly;
#[path = "../../src/call/depacketize.rs"]
pub mod depacketize;
#[path = "../../src/call/packetize.rs"]
pub mod packetize;
#[path = "../../src/call/unwrap.rs"]
mod unwrap;
