#!/usr/bin/env bash
# The models make the vectors that are here, and hold in simulation.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export PYTHONDONTWRITEBYTECODE=1
made=$(mktemp -d)
trap 'rm -r "$made"' EXIT
python3 make_vectors.py 1 "$made"
python3 make_context_vectors.py 1 "$made"
python3 make_carrier_vectors.py 1 "$made"
diff -r "$made" vectors
python3 simulate.py 5
