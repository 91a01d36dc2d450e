#!/bin/sh
# TypeScript → Python, Go and Rust at once. Arguments go to `towline probe`.
set -eu
exec "$(dirname "$0")/../examples/services.sh" run -- typescript --calls - "$@" <<'END'
{"mode": "parallel", "calls": [{"url": "python"}, {"url": "go"}, {"url": "rust"}]}
END
