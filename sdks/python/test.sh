#!/bin/sh
# usage: test.sh [lint|unit|vectors|packages]...   without words: all of them, in that order
set -eu
cd "$(dirname "$0")"
here=$(pwd)
service=$here/../../examples/python-service
export PYTHONDONTWRITEBYTECODE=1

# What the tests need is installed once; the SDK itself is used as it stands.
prepare() {
  command -v python3 >/dev/null || { echo "python3 is missing: install Python 3.10 or later" >&2; exit 3; }
  wanted=$({ python3 --version; pwd; cat requirements-dev.txt pyproject.toml; } | cksum)
  [ -f .venv/stamp ] && [ "$(cat .venv/stamp)" = "$wanted" ] && return
  rm -rf .venv
  python3 -m venv .venv ||
    { echo "python3 cannot make a venv: install its venv and ensurepip modules (Debian: python3-venv)" >&2; exit 3; }
  .venv/bin/pip install --quiet --requirement requirements-dev.txt
  echo "$wanted" > .venv/stamp
}

lint() {
  .venv/bin/ruff format --check --quiet --config pyproject.toml . "$service"
  .venv/bin/ruff check --quiet --config pyproject.toml . "$service"
  MYPYPATH=src .venv/bin/mypy src
  (cd "$service" && MYPYPATH="$here/src" "$here/.venv/bin/mypy" --config-file "$here/pyproject.toml" app.py fault.py)
}

unit() {
  "$service/setup.sh"
  .venv/bin/pytest --ignore tests/test_vectors.py
}

vectors() { .venv/bin/pytest tests/test_vectors.py; }

# The wheel, built from the sdist, in an empty project elsewhere: typed for its user, and a server and a client that talk.
packages() (
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  .venv/bin/python -m build --no-isolation --outdir "$work/dist" . > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install --quiet --no-index "$work"/dist/*.whl
  mkdir "$work/project"
  cp tests/package/user.py "$work/project"
  cd "$work/project"
  "$here/.venv/bin/mypy" --strict --python-executable "$work/venv/bin/python" --cache-dir "$work/cache" user.py
  "$work/venv/bin/python" -W error user.py
)

prepare
[ $# -gt 0 ] || set -- lint unit vectors packages
for part in "$@"; do
  case $part in
    lint | unit | vectors | packages) echo "== python: $part"; "$part" ;;
    *) echo "usage: test.sh [lint|unit|vectors|packages]..." >&2; exit 2 ;;
  esac
done
