#!/bin/sh
# Builds the service. Does nothing, fast, where nothing changed.
set -eu
cd "$(dirname "$0")"
command -v go >/dev/null || { echo "otel-go: go is missing: install Go 1.24 or later" >&2; exit 3; }
wanted=$({ go env GOVERSION GOOS GOARCH; cat setup.sh go.mod go.sum ./*.go; } | cksum)
[ -x .build/service ] && [ "$(cat .build/stamp 2>/dev/null)" = "$wanted" ] && exit 0
mkdir -p .build
rm -f .build/stamp
go build -trimpath -o .build/service .
echo "$wanted" > .build/stamp
