#!/bin/sh
# What Towline for Python costs, beside OpenTelemetry's instrumentation.
#   run.sh [--quick | TABLE...]
# --quick: Towline's variants alone, checked; their times are printed and never a failure. The rivals are not installed.
# TABLE: flask, asgi, requests, httpx, codecs, loopback. A run of all of them is a section of ../RESULTS.md.
set -eu
cd "$(dirname "$0")"
command -v python3 >/dev/null || { echo "python3 is missing: install Python 3.10 or later" >&2; exit 3; }

lists=requirements.txt
[ "${1:-}" = --quick ] || lists="$lists requirements-rivals.txt"
for list in $lists; do
  stamp=.venv/stamp-$list
  wanted=$({ python3 --version; pwd; cat "$list"; } | cksum)
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && continue
  [ "$list" != requirements.txt ] || { rm -rf .venv && python3 -m venv .venv; }
  .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement "$list"
  echo "$wanted" > "$stamp"
done

export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$PWD:$PWD/../../sdks/python/src"
exec .venv/bin/python -m bench "$@"
