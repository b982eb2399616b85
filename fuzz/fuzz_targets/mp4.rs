//! MP4 files.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clearcall::fuzzing::mp4(data));
