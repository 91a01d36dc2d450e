#!/usr/bin/env bash
# Every feature of every crate compiles alone, and so does none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
check() { echo "+ $*"; cargo check --locked --quiet "$@"; }
check -p towline-core
check -p towline-core --features http
check -p towline-tower
check -p towline-tower --features axum
check -p towline-tower --features tokio
check -p towline-otel
check -p towline --no-default-features
for feature in tower axum reqwest tokio; do check -p towline --no-default-features --features "$feature"; done
