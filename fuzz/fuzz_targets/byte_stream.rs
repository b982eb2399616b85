//! H.264 files without a container.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clearcall::fuzzing::byte_stream(data));
