#!/bin/sh
# Installs and builds what is missing. Does nothing where nothing changed.
set -eu
cd "$(dirname "$0")"
command -v npm >/dev/null || { echo "npm is missing: Node.js 20 or later, with npm, is needed" >&2; exit 3; }

# A stamp is the sum of all that the step is made of.
sum() { cat "$@" | cksum; }

install=$(sum package.json package-lock.json)
if [ "$install" != "$(cat node_modules/.stamp 2>/dev/null)" ]; then
	npm ci --no-audit --no-fund --loglevel=error
	echo "$install" >node_modules/.stamp
fi

build=$(sum package-lock.json tsconfig.json src/*.ts)
if [ "$build" != "$(cat dist/.stamp 2>/dev/null)" ]; then
	rm -rf dist
	npm run --silent build
	echo "$build" >dist/.stamp
fi
