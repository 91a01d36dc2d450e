#!/bin/sh
# What Towline for Node costs, beside OpenTelemetry's instrumentation.
#   run.sh [--quick | --record | TABLE]
# --quick: Towline's variants alone, not timed; fails for a wrong output, or where one
# allocates more than allocations.txt has. --record writes that file. TABLE:
# express, http, undici, fetch, codec or loopback alone. A run of all of them is a
# section of ../RESULTS.md.
# The rivals are the devDependencies, which a quick run does without.
set -eu
cd "$(dirname "$0")"

case ${1:-} in
	--quick | --record) omit=--omit=dev project=tsconfig.quick.json ;;
	"" | express | http | undici | fetch | codec | loopback) omit='' project=tsconfig.json ;;
	*) echo "no table '$1': express, http, undici, fetch, codec, loopback" >&2; exit 2 ;;
esac

../../sdks/typescript/build.sh >&2

# A stamp is the sum of all that the step is made of. What a full run needs does for a quick one.
sum() { cat "$@" | cksum; }

install=$(sum package.json package-lock.json)
case $(cat node_modules/.stamp 2>/dev/null) in
	"$install all") ;;
	"$install quick") [ -n "$omit" ] || rm node_modules/.stamp ;;
	*) rm -f node_modules/.stamp ;;
esac
if [ ! -e node_modules/.stamp ]; then
	npm ci $omit --no-audit --no-fund --loglevel=error >&2
	if [ -n "$omit" ]; then echo "$install quick"; else echo "$install all"; fi >node_modules/.stamp
fi

build=$(sum tsconfig*.json src/*.ts src/rivals/*.ts ../../sdks/typescript/dist/.stamp)
if [ "$build $project" != "$(cat dist/.stamp 2>/dev/null)" ]; then
	rm -rf dist
	npx --no-install tsc -p "$project"
	echo "$build $project" >dist/.stamp
fi

# Bytes can be counted where nothing is optimized away.
case ${1:-} in
	--quick | --record) exec node --no-opt dist/main.js "$@" ;;
	*) exec node dist/main.js "$@" ;;
esac
