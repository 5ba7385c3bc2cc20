#!/usr/bin/env bash
# Opens an HTML report in headless Chromium, uses it by mouse and keyboard (report.js) and says what failed.
#   report.sh PAGE.html [SCREENSHOT.png]
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/common.sh"

takes "PAGE.html [SCREENSHOT.png]" "$@"
page=$1 screenshot=${2:-}
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
[ -n "$browser" ] || skip "no Chromium here"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Errors are gathered from the first line on; the checks come last.
awk -v head='<script>window.pageErrors=[];addEventListener("error",e=>pageErrors.push(e.message));addEventListener("securitypolicyviolation",e=>pageErrors.push("blocked "+e.blockedURI));</script>' \
    -v script="$here/report.js" '
    { if (!seen && sub(/<head>/, "<head>" head)) seen = 1 }
    /^<\/body>$/ { print "<script>"; while ((getline line < script) > 0) print line; print "</script>" }
    { print }' "$page" >"$scratch/page.html"

run_browser() {
    timeout 60 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run \
        --disable-background-networking --disable-component-update --disable-sync --user-data-dir="$scratch/profile" \
        --virtual-time-budget=10000 --window-size=1280,900 "$@" 2>"$scratch/log"
}

# On a busy machine Chromium's virtual time can be over before a picture is decoded, which takes real time.
for _ in 1 2 3; do
    run_browser --dump-dom "file://$scratch/page.html" >"$scratch/dom.html"
    outcome=$(grep -o 'data-outcome="[^"]*"' "$scratch/dom.html" | head -n 1 || true)
    [ -z "$outcome" ] || break
done
if [ "$outcome" != 'data-outcome="passed"' ]; then
    echo "report.sh: ${outcome:-the checks did not end}" >&2
    exit 1
fi
if [ -n "$screenshot" ]; then
    run_browser --screenshot="$screenshot" "file://$(realpath "$page")"
fi
echo "report.sh: $page passed"
