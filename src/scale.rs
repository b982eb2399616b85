//! From the source's size to the size that is sent.
