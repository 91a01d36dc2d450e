#!/bin/sh
# Becomes the server.
set -eu
cd "$(dirname "$0")"
exec .build/debug/otel-rust
