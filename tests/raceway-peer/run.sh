#!/usr/bin/env bash
# The published crate `raceway` between services of Towline, both ways.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)
target=$(mkdir -p "${CARGO_TARGET_DIR:-$root/target}" && cd "${CARGO_TARGET_DIR:-$root/target}" && pwd)
# Other versions than the workspace's: a folder of its own, so that neither build undoes the other's.
CARGO_TARGET_DIR="$target/raceway-peer" cargo test --locked --quiet
