//! Links to a call.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| clearcall::fuzzing::join_link(text));
