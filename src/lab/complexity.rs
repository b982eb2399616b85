//! How small may the network be? Linear pieces: how many a network has, and how many a task needs.
//!
//! The bounds by widths alone are [`Widths`](crate::model::Widths). Here pieces are counted: [`mod@line`] between two
//! inputs, [`plane`] through three, of a [`Network`] in f64; [`footage`] has the real inputs, and [`switching`] says
//! which units bend nothing there. The other side is the task: [`curves`] says what error so many pieces reach on
//! smooth targets, [`ladder`] what upscalers of some sizes gain, and [`turns`] what a network cannot learn.

pub mod curves;
pub mod footage;
pub mod ladder;
pub mod line;
mod network;
pub mod painting;
pub mod plane;
pub mod switching;
pub mod turns;

pub use network::{DenseLayer, Network};
