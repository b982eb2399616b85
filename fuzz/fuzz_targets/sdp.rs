//! Session descriptions.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| clearcall::fuzzing::description(text));
