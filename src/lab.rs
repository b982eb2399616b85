//! The laboratory: the theory behind the small network, as experiments that anyone can run.
//!
//! Each is a module here, a command of `clearcall lab`, and a section of `docs/theory.md`. They train small
//! networks ([`mlp`]) on points and curves; nothing here runs in a call.

pub mod collapse;
pub mod complexity;
pub mod mlp;
pub mod players;
pub mod surface;
pub mod transport;
