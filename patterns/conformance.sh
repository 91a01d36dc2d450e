#!/bin/sh
# `towline conformance` of all four services, rule by rule, over the wire; and of services with faults,
# which break the rules that the faults are about.
set -eu
command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.85 or later" >&2; exit 3; }
exec cargo test --locked --quiet --manifest-path "$(dirname "$0")/../Cargo.toml" \
  --package towline-cli --test services -- conformance:: --test-threads 1 "$@"
