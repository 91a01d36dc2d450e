#!/bin/sh
# Runs the chain with every fault of spec/services.md in every language that can have it, and asserts
# that each is found and named; then shapes, load and the services' own starting and stopping.
set -eu
command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.85 or later" >&2; exit 3; }
exec cargo test --locked --quiet --manifest-path "$(dirname "$0")/../Cargo.toml" \
  --package towline-cli --test services -- --test-threads 2 --skip otel:: \
  --skip conformance:: --skip doctor:: --skip hops:: --skip hostile:: --skip nginx:: "$@"
