//! The call: peers, packets, signalling.
