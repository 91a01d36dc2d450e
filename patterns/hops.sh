#!/bin/sh
# `towline probe` and `towline doctor` of the four services as any services are asked: through proxies
# that meddle, and services that OpenTelemetry alone instruments. `hops.sh nginx::` goes through nginx.
set -eu
command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.85 or later" >&2; exit 3; }
[ $# -gt 0 ] || set -- hops:: doctor::
exec cargo test --locked --quiet --manifest-path "$(dirname "$0")/../Cargo.toml" \
  --package towline-cli --test services -- --test-threads 1 "$@"
