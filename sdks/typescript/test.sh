#!/bin/sh
# Tests of the TypeScript port: all parts in this order, or those that are named.
#   test.sh [lint|unit|vectors|packages]...
set -eu
cd "$(dirname "$0")"

for part in "$@"; do
	case $part in lint | unit | vectors | packages) ;; *) echo "no part '$part': lint, unit, vectors, packages" >&2; exit 2 ;; esac
done
[ $# -gt 0 ] || set -- lint unit vectors packages
service=../../examples/typescript-service

./build.sh
tool() { npx --no-install "$@"; }

lint() {
	tool biome ci --error-on-warnings .
	(cd "$service" && "$OLDPWD/node_modules/.bin/biome" ci --error-on-warnings .)
	tool tsc --noEmit -p .
	"$service/setup.sh"
}

# Compiles the tests, where they or the package are newer.
compile() {
	tool tsc -p . --incremental --tsBuildInfoFile .build/.tsbuildinfo
}

unit() {
	compile
	"$service/setup.sh"
	files=$(ls .build/test/*.test.js | grep -v vectors)
	node --test $files "$service"/dist/test/*.test.js
}

vectors() {
	compile
	node --test .build/test/*.vectors.test.js
}

packages() { scripts/packages.sh; }

for part in "$@"; do $part; done
