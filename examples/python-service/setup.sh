#!/bin/sh
# Makes .venv with what the service needs and the SDK as it stands. Does nothing where nothing changed.
set -eu
cd "$(dirname "$0")"
sdk=../../sdks/python
command -v python3 >/dev/null || { echo "python3 is missing: install Python 3.10 or later" >&2; exit 3; }
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
  { echo "python3 is $(python3 --version), but Python 3.10 or later is needed" >&2; exit 3; }
wanted=$({ python3 --version; pwd; cat requirements.txt setup.sh "$sdk/pyproject.toml"; find "$sdk/src" -name '*.py' -exec cat {} +; } | cksum)
[ -f .venv/stamp ] && [ "$(cat .venv/stamp)" = "$wanted" ] && exit 0
rm -f .venv/stamp
if [ ! -x .venv/bin/pip ]; then
  rm -rf .venv
  python3 -m venv .venv ||
    { echo "python3 cannot make a venv: install its venv and ensurepip modules (Debian: python3-venv)" >&2; exit 3; }
fi
.venv/bin/pip install --quiet --requirement requirements.txt
.venv/bin/pip install --quiet --force-reinstall --no-deps "$sdk"
echo "$wanted" > .venv/stamp
