#!/bin/sh
# Towline services around services that OpenTelemetry alone instruments, one in each language, and
# asserts that the trace, the parents and the clock come through.
set -eu
command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.85 or later" >&2; exit 3; }
exec cargo test --locked --quiet --manifest-path "$(dirname "$0")/../Cargo.toml" \
  --package towline-cli --test services -- otel:: --test-threads 1 "$@"
