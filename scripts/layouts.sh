#!/bin/bash
# Takes a picture of every layout of the window without a screen: scripts/layouts.sh FOLDER [clearcall's arguments]
# Needs Xvfb and ImageMagick. assets/screenshot.png, layouts.png and tour.png are made with it:
#   scripts/layouts.sh /tmp/layouts && cp /tmp/layouts/{side-by-side,layouts,tour}.png assets/   (the first as screenshot.png)
set -euo pipefail

folder=${1:?give the folder to write to}
shift
# One network, whatever else the machine does.
[ $# -gt 0 ] || set -- call --source scene --model small
command -v montage >/dev/null || { echo "montage is missing (Debian: apt-get install imagemagick)" >&2; exit 1; }
mkdir -p "$folder"

# The window begins with the layout that it remembers, so each picture has settings of its own.
settings=$(mktemp -d)
trap 'rm -rf "$settings"' EXIT
mkdir -p "$settings/clearcall"
take() {
    printf '%s\n' "$2" >"$settings/clearcall/settings.json"
    XDG_CONFIG_HOME=$settings SCREEN=1300x800 "$(dirname "$0")/screenshot.sh" "$folder/$1.png" "${@:3}"
}
take side-by-side '{"layout": "side-by-side", "stats": true}' "$@"
for layout in wipe toggle difference four-up; do
    take "$layout" "{\"layout\": \"$layout\", \"stats\": false}" "$@"
done
take absolute '{"layout": "difference", "stats": false, "signed": false, "gain": 16, "luma": true}' "$@"
# A minute fits into the graphs.
export SECONDS_BEFORE=45
take graphs '{"layout": "wipe", "stats": false, "graphs": true, "look": "light"}' "$@"

# A face, text and hair of the scene, three times as large.
"$(dirname "$0")/../target/release/clearcall" bench quality scene --bitrates 300k --frames 101 --frame 100 --metrics psnr \
    --every 100 --upscalers bicubic --models small,medium.vivid --engine cpu --crop 272,152,128,96 --crop 600,376,128,96 \
    --crop 236,60,128,96 --sheet "$folder/tour.png" >"$folder/tour.txt"

cd "$folder"
montage wipe.png toggle.png difference.png absolute.png four-up.png graphs.png -tile 2x3 -geometry 700x431+4+4 \
    -background '#0d0f13' miff:- | convert - -dither FloydSteinberg -colors 256 PNG8:layouts.png
echo "$folder/layouts.png $folder/tour.png"
