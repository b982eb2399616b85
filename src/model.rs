//! The network as data.
