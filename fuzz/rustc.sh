#!/bin/bash
# The compiler with what libFuzzer needs to see which code runs, for this workspace's crates only
# (RUSTC_WORKSPACE_WRAPPER): what cargo-fuzz does, but on stable Rust, and without AddressSanitizer.
exec "$@" --cfg fuzzing -Cdebug-assertions -Coverflow-checks -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
