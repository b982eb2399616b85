//! Y4M files.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clearcall::fuzzing::y4m(data));
