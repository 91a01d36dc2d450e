#!/bin/sh
# Installs and builds what is missing, of the package and of this service.
set -eu
# One at a time, where the system can tell.
if [ -z "${TOWLINE_SETUP_LOCKED:-}" ] && command -v flock >/dev/null; then
	TOWLINE_SETUP_LOCKED=1 exec flock "$0" "$0" "$@"
fi
cd "$(dirname "$0")"

missing() { echo "$1: Node.js 20 or later, with npm, is needed" >&2; exit 3; }
command -v npm >/dev/null || missing "npm is missing"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || missing "node is missing or too old"

../../sdks/typescript/build.sh

# A stamp is the sum of all that the step is made of.
sum() { cat "$@" | cksum; }

install=$(sum package.json package-lock.json)
if [ "$install" != "$(cat node_modules/.stamp 2>/dev/null)" ]; then
	npm ci --no-audit --no-fund --loglevel=error
	echo "$install" >node_modules/.stamp
fi

build=$(sum package-lock.json tsconfig.json src/*.ts test/*.ts ../../sdks/typescript/dist/.stamp)
if [ "$build" != "$(cat dist/.stamp 2>/dev/null)" ]; then
	rm -rf dist
	npm run --silent build
	echo "$build" >dist/.stamp
fi
