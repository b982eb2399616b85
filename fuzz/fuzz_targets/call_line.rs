//! Lines that are pasted: any text is refused or unfolds to something bounded, and any text that fits comes back.
#![no_main]

use clearcall::call::signal::{SdpType, from_line, to_line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for kind in [SdpType::Offer, SdpType::Answer] {
        if let Ok(description) = from_line(kind, text) {
            assert!(description.len() <= 64 << 10);
        }
        if let Ok(line) = to_line(kind, text) {
            assert_eq!(from_line(kind, &line).as_deref(), Ok(text));
        }
    }
});
