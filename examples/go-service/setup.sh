#!/bin/sh
# Builds the service with the SDK as it stands. Does nothing, fast, where nothing changed.
set -eu
cd "$(dirname "$0")"
sdk=../../sdks/go
command -v go >/dev/null || { echo "go-service: go is missing: install Go 1.24 or later" >&2; exit 3; }
wanted=$({ go env GOVERSION GOOS GOARCH; cat setup.sh go.mod ./*.go "$sdk"/go.mod "$sdk"/*.go; } | cksum)
[ -x .build/go-service ] && [ "$(cat .build/stamp 2>/dev/null)" = "$wanted" ] && exit 0
mkdir -p .build
rm -f .build/stamp
go build -trimpath -o .build/go-service . ||
  { echo "go-service: it cannot be built with $(go env GOVERSION): Go 1.24 or later is needed" >&2; exit 1; }
echo "$wanted" > .build/stamp
