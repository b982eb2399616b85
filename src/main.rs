//! The program: reads arguments, picks a command, prints errors.

fn main() {}
