#!/bin/sh
# TypeScript → Python, and after its answer → Go: Python's work comes before Go's. Arguments go to
# `towline probe`.
set -eu
exec "$(dirname "$0")/../examples/services.sh" run -- typescript --calls - "$@" <<'END'
{"calls": [{"url": "python"}, {"url": "go"}]}
END
