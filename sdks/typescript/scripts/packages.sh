#!/bin/sh
# Builds the package, installs it into empty projects elsewhere, and uses it there: as ESM, as
# CommonJS and as both at once, with types, with undici 6 and 7, with the API of OpenTelemetry, and
# without either.
set -eu
cd "$(dirname "$0")/.."
here=$PWD

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm pack --silent --pack-destination "$folder" >/dev/null
package=$folder/towline-0.1.0.tgz
tar -tzf "$package" | sort >"$folder/files"
if grep -Ev '^package/(dist/(esm|cjs)/.*|package\.json|README\.md|LICENSE-(MIT|APACHE))$' "$folder/files"; then
	echo "the package has files that it should not have" >&2
	exit 1
fi

# project NAME [PACKAGE...]: an empty project with the package, and others beside it.
project() {
	mkdir "$folder/$1"
	cd "$folder/$1"
	cp "$here/.npmrc" .
	echo '{ "private": true, "type": "module" }' >package.json
	shift
	npm install --silent --no-audit --no-fund "$package" "$@"
	cp "$here"/scripts/consumer/* .
}

# Versions as in the lock file.
undici7=undici@$(node -p "require('./node_modules/undici/package.json').version")
undici6=undici@$(node -p "require('./node_modules/undici6/package.json').version")
types=@types/node@$(node -p "require('./node_modules/@types/node/package.json').version")

project alone "$types"
test "$(ls node_modules | tr '\n' ' ')" = "@types towline undici-types "
node both.mjs
node chain.mjs
node chain.cjs
check_types() {
	node "$here/node_modules/typescript/bin/tsc" --noEmit --strict --exactOptionalPropertyTypes --target es2022 \
		--types node "$@"
}
check_types --module nodenext types.ts types.cts
check_types --module esnext --moduleResolution bundler types.ts

for undici in "$undici7" "$undici6"; do
	cd "$here"
	project "$(echo "$undici" | tr -d @.)" "$undici"
	node undici.mjs
done
cd "$here"
api=@opentelemetry/api@$(node -p "require('./node_modules/@opentelemetry/api/package.json').version")
project otel "$api" "$types"
node otel.mjs
check_types --module nodenext types-otel.ts
echo "the package works: ESM, CommonJS, both at once, undici 6 and 7, OpenTelemetry's API, types"
