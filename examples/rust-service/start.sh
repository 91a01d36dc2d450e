#!/usr/bin/env bash
# Becomes the server.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export TOWLINE_SERVICE_NAME="${TOWLINE_SERVICE_NAME:-${OTEL_SERVICE_NAME:-rust}}"
export TOWLINE_INSTANCE="${TOWLINE_INSTANCE:-rust-1}"
exec "${CARGO_TARGET_DIR:-target}/debug/rust-service"
