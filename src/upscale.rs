//! Twice the size: bicubic and the network.
