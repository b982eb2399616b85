//! Still pictures.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clearcall::fuzzing::still(data));
