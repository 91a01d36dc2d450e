#!/bin/sh
# Makes .venv with what the service needs. Does nothing where nothing changed.
set -eu
cd "$(dirname "$0")"
command -v python3 >/dev/null || { echo "python3 is missing: install Python 3.10 or later" >&2; exit 3; }
wanted=$({ python3 --version; pwd; cat requirements.txt setup.sh; } | cksum)
[ -f .venv/stamp ] && [ "$(cat .venv/stamp)" = "$wanted" ] && exit 0
rm -rf .venv
python3 -m venv .venv ||
  { echo "python3 cannot make a venv: install its venv and ensurepip modules (Debian: python3-venv)" >&2; exit 3; }
.venv/bin/pip install --quiet --requirement requirements.txt
echo "$wanted" > .venv/stamp
