#!/bin/bash
# Formatting, the numbers in the docs, clippy and docs with warnings as errors, and licences.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; "$@"; }

step cargo fmt --check
step scripts/numbers.sh --check
# In the release profile, so that build scripts and what they compile serve the tests too.
step cargo clippy --release --locked --all-targets --features train -- -D warnings
step env RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --features train
# The headless program, without window, camera and trainer.
step cargo clippy --release --locked --no-default-features -- -D warnings

if cargo deny --version >/dev/null 2>&1; then
    step cargo deny --locked check licenses bans sources
    # Advisories come from a database on the net, which not every machine reaches.
    if ! said=$(cargo deny --locked check advisories 2>&1); then
        if [[ $said == *"failed to fetch advisory database"* ]]; then
            printf '\n== advisories: skipped, their database cannot be reached from here\n'
        else
            printf '%s\n' "$said" >&2
            exit 1
        fi
    fi
else
    printf '\n== licences: skipped, cargo-deny is not installed (cargo install --locked cargo-deny)\n'
fi
printf '\nAll checks passed.\n'
