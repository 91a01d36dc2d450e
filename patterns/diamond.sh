#!/bin/sh
# TypeScript → Python → Go and Rust at once, which Python joins. Arguments go to `towline probe`.
set -eu
exec "$(dirname "$0")/../examples/services.sh" run -- typescript --calls - "$@" <<'END'
{"calls": [{"url": "python", "mode": "parallel", "calls": [{"url": "go"}, {"url": "rust"}]}]}
END
