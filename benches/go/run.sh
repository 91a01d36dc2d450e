#!/usr/bin/env bash
# Measures the Go SDK against bare net/http and OpenTelemetry, and prints a section of ../RESULTS.md: run.sh [--quick]
# --quick: Towline alone, a little; fails for a wrong output or more allocations than allocations.txt has.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export GOFLAGS="${GOFLAGS:-} -mod=readonly"
mkdir -p .build
case ${1:-} in
  --quick)
    go build -o .build/quick ./quick
    exec .build/quick
    ;;
  "")
    (cd otel && go build -o ../.build/otel .)
    exec .build/otel
    ;;
  *)
    echo "run.sh: '$1' is not --quick" >&2
    exit 2
    ;;
esac
