#!/bin/bash
# Runs every test in the release profile and ends in a line that counts them: "N passed, N failed".
# Arguments go to cargo test: scripts/test.sh --lib measure::
set -uo pipefail
cd "$(dirname "$0")/.."

# Tests open no window and speak no language but English.
unset DISPLAY WAYLAND_DISPLAY WAYLAND_SOCKET
export LC_ALL=C.UTF-8 CARGO_TERM_COLOR=never
# Most tests of a call wait for time to pass or for sockets: more of them at once than there are cores.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(getconf _NPROCESSORS_ONLN)))}
# Properties are tried on the same cases each time; with another seed, on others.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1} PROPTEST_DISABLE_FAILURE_PERSISTENCE=true

run() { cargo test --release --locked --features train --no-fail-fast "$@" 2>&1; }

# Tests of calls wait for time to pass most of the time: two groups of them run beside all others.
all_tests() {
    run --no-run || return
    local calls=(cli call_connect call_rate) windows=(session window_call) others=() name
    for name in $(cd tests && ls -d -- *.rs */main.rs); do
        name=${name%/main.rs} name=${name%.rs}
        case " ${calls[*]} ${windows[*]} " in *" $name "*) ;; *) others+=(--test "$name") ;; esac
    done
    local logs; logs=$(mktemp -d)
    run "${calls[@]/#/--test=}" >"$logs/calls" & local first=$!
    run "${windows[@]/#/--test=}" >"$logs/windows" & local second=$!
    run --lib --bins "${others[@]}"; local status=$?
    run --doc || status=$?
    wait $first || status=$?
    wait $second || status=$?
    cat "$logs/calls" "$logs/windows"
    rm -r "$logs"
    return $status
}

if [ $# -gt 0 ]; then run "$@"; else all_tests; fi | awk '
    # A test program that dies without its result line counts as one failure.
    function close_program() { if (open && !seen) failed++; open = 0 }
    /^ +Running / || /^ +Doc-tests / { close_program(); open = 1; seen = 0 }
    /^test result: / {
        seen = any = 1
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^passed;?$/) passed += $(i - 1)
            if ($i ~ /^failed;?$/) failed += $(i - 1)
            if ($i ~ /^ignored;?$/) skipped += $(i - 1)
        }
    }
    { print; fflush() }
    END {
        close_program()
        if (!any && !failed) failed = 1 # it did not build
        printf "%d passed, %d failed%s\n", passed, failed, skipped ? ", " skipped " skipped" : ""
        exit failed > 0
    }
'
status=("${PIPESTATUS[@]}")
[ "${status[0]}" -eq 0 ] || exit "${status[0]}"
exit "${status[1]}"
