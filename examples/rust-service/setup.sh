#!/usr/bin/env bash
# Builds the service. Does nothing, fast, where nothing is to be done.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
command -v cargo >/dev/null || { echo "rust-service: cargo is missing: install Rust (1.85 or later)" >&2; exit 3; }
cargo build --quiet --locked
