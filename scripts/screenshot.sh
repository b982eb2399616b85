#!/bin/bash
# Takes a picture of the window without a screen: scripts/screenshot.sh OUT.png [clearcall's arguments]
# Needs Xvfb and ImageMagick's import. The call runs for SECONDS_BEFORE (default 8) before the picture is taken.
set -euo pipefail

out=${1:?give the PNG to write}
shift
for tool in Xvfb import; do
    command -v "$tool" >/dev/null || { echo "$tool is missing (Debian: apt-get install xvfb imagemagick)" >&2; exit 1; }
done
program=$(dirname "$0")/../target/release/clearcall
[ -x "$program" ] || { echo "build it first: make build" >&2; exit 1; }
[ $# -gt 0 ] || set -- call --source scene

number=$(mktemp)
server='' call=''
trap '[ -z "$call" ] || kill "$call" 2>/dev/null || true; [ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -f "$number"' EXIT
Xvfb -displayfd 3 -screen 0 "${SCREEN:-1300x860}x24" -nolisten tcp 3>"$number" 2>/dev/null &
server=$!
for _ in $(seq 100); do
    [ -s "$number" ] && break
    sleep 0.1
done
DISPLAY=:$(head -n1 "$number")
export DISPLAY
unset WAYLAND_DISPLAY
"$program" "$@" &
call=$!
sleep "${SECONDS_BEFORE:-8}"
kill -0 "$call" 2>/dev/null || { echo "the program ended before its picture could be taken" >&2; exit 1; }
import -window root "$out"
echo "$out"
