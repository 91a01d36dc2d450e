#!/usr/bin/env bash
# Fuzzes towline-core: each target for SECONDS (default 5), on stable Rust, without a sanitizer.
#
# usage: fuzz/run.sh [SECONDS [SEED]]
#
# With a SEED (a number above 0) a run goes the same way each time, as far as it comes.
#
# Builds, corpora and cargo-fuzz itself are kept in CARGO_TARGET_DIR, else in target/: a later run
# goes on from what earlier ones found. Ends with 1 at the first find, which it prints; its input
# stays in fuzz/artifacts/TARGET.
set -euo pipefail

seconds=${1:-5}
seed=${2:-0}
[[ $seconds =~ ^[1-9][0-9]*$ && $seed =~ ^[0-9]+$ ]] || { echo "usage: fuzz/run.sh [SECONDS [SEED]]" >&2; exit 2; }
root=$(cd "$(dirname "$0")/.." && pwd)
target=$(mkdir -p "${CARGO_TARGET_DIR:-$root/target}" && cd "${CARGO_TARGET_DIR:-$root/target}" && pwd)
version=0.13.2

# libFuzzer is C++, and comes as source.
if ! command -v "${CXX:-c++}" >/dev/null; then
  [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -qq -y g++ >&2 ||
    { echo "fuzz: a C++ compiler is missing: install g++ or clang" >&2; exit 3; }
fi

export PATH="$target/tools/bin:$PATH"
if [[ $(cargo-fuzz --version 2>/dev/null) != "cargo-fuzz $version" ]]; then
  cargo install --locked --root "$target/tools" cargo-fuzz --version "$version"
fi

# Other flags than the workspace's: a folder of its own, so that neither build undoes the other's.
export CARGO_TARGET_DIR="$target/fuzz"
cd "$root"
fuzz() { cargo fuzz "$1" --fuzz-dir fuzz -s none "${@:2}"; }
# The memory of one input serves the next one.
export MALLOC_TRIM_THRESHOLD_=100000000 MALLOC_TOP_PAD_=10000000
fuzz build
python3 fuzz/seeds.py "$target/fuzz/corpus"

for name in $(cargo fuzz list --fuzz-dir fuzz); do
  log="$target/fuzz/$name.log"
  if ! fuzz run "$name" "$target/fuzz/corpus/$name" -- -seed="$seed" -max_total_time="$seconds" -max_len=4608 \
      -timeout=10 -rss_limit_mb=1024 -dict=fuzz/tokens.dict -print_final_stats=1 >"$log" 2>&1; then
    grep -v '^#' "$log" >&2
    echo "fuzz: $name has a find, see above; to repeat it, in $root:" >&2
    echo "  PATH=$target/tools/bin:\$PATH CARGO_TARGET_DIR=$CARGO_TARGET_DIR \\" >&2
    echo "  cargo fuzz run --fuzz-dir fuzz -s none $name FAILING_INPUT" >&2
    exit 1
  fi
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(sed -n 's/^#[0-9]*\tDONE *cov: \([0-9]*\).*/\1/p' "$log")
  echo "fuzz: $name: $executions executions, $coverage edges, no finds"
done
