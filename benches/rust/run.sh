#!/usr/bin/env bash
# What propagation costs in Rust: prints a section of ../RESULTS.md.
#   benches/rust/run.sh [--quick | --record]
# --quick checks outputs, and allocations against allocations.txt; --record writes that file.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)
target=$(mkdir -p "${CARGO_TARGET_DIR:-$root/target}" && cd "${CARGO_TARGET_DIR:-$root/target}" && pwd)
# Other versions than the workspace's: a folder of its own, so that neither build undoes the other's.
export CARGO_TARGET_DIR="$target/bench"
case ${1-} in
  '')
    cargo test --locked --release --quiet --features rivals >&2
    cargo build --locked --release --quiet --features rivals
    "$CARGO_TARGET_DIR/release/towline-benches" all
    printf '\nBuilt by %s, `--release`.\n' "$(rustc --version)"
    ;;
  --quick)
    cargo build --locked --release --quiet
    "$CARGO_TARGET_DIR/release/towline-benches" quick
    ;;
  --record)
    cargo build --locked --release --quiet
    "$CARGO_TARGET_DIR/release/towline-benches" record
    ;;
  *)
    sed -n '2,4s/^# //p' run.sh >&2
    exit 2
    ;;
esac
