//! The map by samples.
