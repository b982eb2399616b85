//! Requests to the host.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clearcall::fuzzing::whip_request(data));
