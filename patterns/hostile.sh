#!/bin/sh
# A thousand hostile requests of more than thirty kinds to each of the four services: none answers
# 5xx, restarts or grows, and each reason is counted.
set -eu
command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.85 or later" >&2; exit 3; }
exec cargo test --locked --quiet --manifest-path "$(dirname "$0")/../Cargo.toml" \
  --package towline-cli --test services -- hostile:: --test-threads 1 "$@"
