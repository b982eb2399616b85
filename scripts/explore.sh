#!/bin/bash
# Looks for what the tests have not tried: scripts/explore.sh [SECONDS]
#
# Runs the property tests from a fresh seed, then each fuzz target for SECONDS (60), and ends with what each target
# has executed. With 0 it builds the targets and tries each on what it starts from only, as CI does.
# TARGETS="mp4 whip" takes these only. PROPTEST_RNG_SEED=N repeats a run of the property tests.
#
# What a target finds is kept in fuzz/artifacts/TARGET and makes the exit code 1;
# target/release/fuzz_TARGET FILE tries it again. What it learns stays in fuzz/corpus/TARGET.
set -uo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || { echo "give whole seconds, not '$seconds'" >&2; exit 2; }
# libFuzzer comes as C++, and its coverage is the compiler's on Linux.
[ "$(uname -s)" = Linux ] || { echo "the fuzz targets are built on Linux only" >&2; exit 2; }

read -ra targets <<<"${TARGETS:-$(basename -s .rs fuzz/fuzz_targets/*.rs | tr '\n' ' ')}"
cargo run --quiet --release --locked -p clearcall-fuzz --bin seeds fuzz/corpus || exit
# Only this workspace's crates are built another time; see fuzz/rustc.sh.
# At a low level, since these are built for this alone: a minute sooner, and hardly slower to run.
RUSTC_WORKSPACE_WRAPPER=$PWD/fuzz/rustc.sh cargo build --release --locked -p clearcall-fuzz \
    --config profile.release.package.clearcall.opt-level=1 "${targets[@]/#/--bin=fuzz_}" || exit

found=0
if [ "$seconds" -gt 0 ] && [ -z "${TARGETS:-}" ]; then
    export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-$((RANDOM << 30 | RANDOM << 15 | RANDOM))}
    printf '\n== property tests with PROPTEST_RNG_SEED=%s\n' "$PROPTEST_RNG_SEED"
    # Those of the library, and of the files that have some.
    mapfile -t files < <(grep -l 'proptest!' tests/*.rs | xargs -n1 basename -s .rs)
    scripts/test.sh --lib "${files[@]/#/--test=}" || found=1
fi

limit=(-max_total_time="$seconds")
[ "$seconds" -gt 0 ] || limit=(-runs=0)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
summary=
for target in "${targets[@]}"; do
    printf '\n== %s\n' "$target"
    mkdir -p "fuzz/artifacts/$target"
    if target/release/"fuzz_$target" "${limit[@]}" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$target/" "fuzz/corpus/$target" >"$log" 2>&1; then
        result=
    else
        found=1 result=", and a find in fuzz/artifacts/$target"
        tail -n 40 "$log"
    fi
    executions=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
    summary+=$(printf '%12s  %s' "${executions:-0}" "$target$result")$'\n'
done
printf '\n  executions  target\n%s' "$summary"
exit $found
