#!/bin/sh
# Installs the tools and builds the package, ESM and CJS; does nothing where both are there.
set -eu
# One at a time, where the system can tell.
if [ -z "${TOWLINE_BUILD_LOCKED:-}" ] && command -v flock >/dev/null; then
	TOWLINE_BUILD_LOCKED=1 exec flock "$0" "$0" "$@"
fi
cd "$(dirname "$0")"

# A stamp is the sum of all that the step is made of.
sum() { cat "$@" | cksum; }

install=$(sum package.json package-lock.json)
if [ "$install" != "$(cat node_modules/.stamp 2>/dev/null)" ]; then
	npm ci --no-audit --no-fund --loglevel=error
	echo "$install" >node_modules/.stamp
fi

build=$(sum package.json tsconfig*.json src/*.ts)
if [ "$build" != "$(cat dist/.stamp 2>/dev/null)" ]; then
	rm -rf dist
	npx --no-install tsc -p tsconfig.esm.json
	npx --no-install tsc -p tsconfig.cjs.json
	echo '{ "type": "commonjs" }' >dist/cjs/package.json
	echo "$build" >dist/.stamp
fi
