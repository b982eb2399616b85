//! The program as a user runs it: good input and bad, exit codes, and what it prints.

mod bench;
#[cfg(feature = "app")]
mod blind;
mod calls;
mod field;
mod files;
#[cfg(feature = "train")]
mod lab_collapse;
#[cfg(feature = "train")]
mod lab_surface;
#[cfg(feature = "train")]
mod lab_transport;
#[cfg(feature = "train")]
mod lab_complexity;
mod one_way;
mod quiet;
mod run;
#[cfg(feature = "train")]
mod train;
mod wrong;
