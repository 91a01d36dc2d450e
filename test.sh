#!/usr/bin/env bash
# Runs the checks: all parts, or those that are named. Ends with "N passed, N failed".
#   ./test.sh [--without rust,typescript,python,go] [PART…]
# Parts: lint vectors unit packages benches patterns otel faults conformance hops hostile load fuzz
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
all=(lint vectors unit packages benches patterns otel faults conformance hops hostile load fuzz)
without="," parts=()
while (($#)); do
  case $1 in
    --without) without=",${2:?--without needs languages},"; shift ;;
    -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
    *) [[ " ${all[*]} " == *" $1 "* ]] || { echo "no part '$1'; parts: ${all[*]}" >&2; exit 2; }; parts+=("$1") ;;
  esac
  shift
done
((${#parts[@]})) || parts=("${all[@]}")
logs=${CARGO_TARGET_DIR:-target}/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0

# step LANGUAGES NAME COMMAND…: runs the command, shows the end of its output if it fails.
step() {
  local languages=$1 name=$2 language start=$SECONDS log
  shift 2
  for language in ${languages//,/ }; do
    if [[ $without == *",$language,"* ]]; then
      printf 'skip  %-34s without %s\n' "$name" "$language"
      skipped=$((skipped + 1))
      return
    fi
  done
  log=$logs/${name//[^a-z0-9]/-}.log
  if missing "$languages" >"$log" && "$@" >>"$log" 2>&1; then
    printf 'ok    %-34s %4d s\n' "$name" $((SECONDS - start))
    passed=$((passed + 1))
  else
    printf 'FAIL  %-34s %4d s  %s\n' "$name" $((SECONDS - start)) "$log"
    tail -n 60 "$log" | sed 's/^/      /'
    failed=$((failed + 1))
  fi
}

# Names the toolchains that are not there.
missing() {
  local language tool found=0
  for language in ${1//,/ }; do
    case $language in
      rust) tool=cargo hint="Rust 1.85 or later" ;;
      typescript) tool=npm hint="Node 20 or later, with npm" ;;
      python) tool=python3 hint="Python 3.10 or later" ;;
      go) tool=go hint="Go 1.24 or later" ;;
    esac
    command -v "$tool" >/dev/null || { echo "$tool is missing: install $hint, or run with --without $language"; found=1; }
  done
  return $found
}

sdk() { "sdks/$1/test.sh" "$2"; }
four=rust,typescript,python,go

part_lint() {
  step rust "rust: format" cargo fmt --all --check
  step rust "rust: clippy" cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
  step rust "rust: each feature alone" ./crates/features.sh
  step rust "rust: docs" env RUSTDOCFLAGS=-Dwarnings cargo doc --locked --quiet --no-deps --workspace --all-features
  for language in typescript python go; do step $language "$language: lint" sdk $language lint; done
}

part_vectors() {
  step python "spec: the models make the vectors" ./spec/check.sh
  step rust "rust: vectors" cargo test --locked --quiet -p towline-core --test clock_vectors --test clock_v1_vectors --test trace_context_vectors --test carrier_vectors
  step rust "rust: vectors over HTTP" cargo test --locked --quiet -p towline-tower --features axum --test vectors_over_http
  for language in typescript python go; do step $language "$language: vectors" sdk $language vectors; done
}

part_unit() {
  step rust "rust: unit" cargo test --locked --quiet --workspace --all-features
  step rust "rust: the crate raceway as a peer" ./tests/raceway-peer/run.sh
  for language in typescript python go; do step $language "$language: unit" sdk $language unit; done
}

part_packages() {
  step rust "rust: packages" ./crates/packages.sh
  for language in typescript python go; do step $language "$language: packages" sdk $language packages; done
}

part_benches() {
  for language in rust typescript python go; do
    step $language "$language: benchmark's outputs" "./benches/$language/run.sh" --quick
  done
}

part_patterns() {
  for pattern in linear parallel diamond twice sequential; do
    step $four "pattern: $pattern" "./patterns/$pattern.sh"
  done
}

part_otel() { step $four "otel: chains with plain services" ./patterns/otel.sh; }

part_faults() { step $four "faults: each is found and named" ./patterns/faults.sh; }

part_conformance() { step $four "conformance: every rule, on the wire" ./patterns/conformance.sh; }

part_hops() {
  step $four "hops: what meddles is named" ./patterns/hops.sh
  if command -v nginx >/dev/null; then
    step $four "hops: through nginx" ./patterns/hops.sh nginx::
  else
    printf 'skip  %-34s nginx is not installed\n' "hops: through nginx"
    skipped=$((skipped + 1))
  fi
}

part_hostile() { step $four "hostile: 1,000 requests of 40 kinds" ./patterns/hostile.sh; }

part_load() { step $four "load: 1,000 requests, 50 at once" ./patterns/linear.sh --repeat 1000 --concurrency 50; }

part_fuzz() { step rust,python "rust: fuzz" ./fuzz/run.sh 5 1; }

for part in "${parts[@]}"; do "part_$part"; done
if ((skipped)); then
  printf '%d passed, %d failed, %d skipped\n' $passed $failed $skipped
else
  printf '%d passed, %d failed\n' $passed $failed
fi
((failed == 0))
