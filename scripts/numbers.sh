#!/bin/bash
# Measures the numbers that the docs quote and writes them to docs/numbers.json, and from there into the docs.
#
#   scripts/numbers.sh CLIPS [NAME…]   measure all, or only these (models, quality, int8, perceptual, speed, call)
#   scripts/numbers.sh --write         write the docs' tables anew from docs/numbers.json
#   scripts/numbers.sh --check         fail where a table in the docs differs from docs/numbers.json; measures nothing
#
# CLIPS is the folder with the clips that docs_numbers.py names; docs/benchmark.md says what is needed besides.
# The program is target/release/clearcall of this checkout, or $CLEARCALL.
set -euo pipefail

command -v python3 >/dev/null || { echo "python3 is missing (Debian: apt-get install python3)" >&2; exit 1; }
exec python3 "$(dirname "$0")/docs_numbers.py" "$@"
