#!/bin/sh
# TypeScript → Python → Go → Rust, in one request. Arguments go to `towline probe`.
set -eu
exec "$(dirname "$0")/../examples/services.sh" run -- typescript --chain python,go,rust "$@"
