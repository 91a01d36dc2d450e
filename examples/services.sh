#!/bin/sh
# Starts, stops and shows the four demo services: up, down, status, run (see --help). Builds what is
# missing first.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.85 or later" >&2; exit 3; }
TOWLINE_EXAMPLES=${TOWLINE_EXAMPLES:-$here}
export TOWLINE_EXAMPLES
exec cargo run --locked --quiet --manifest-path "$here/../Cargo.toml" --package towline-cli -- demo "$@"
