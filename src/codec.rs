//! H.264, both ways.
