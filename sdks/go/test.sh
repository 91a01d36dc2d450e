#!/usr/bin/env bash
# Tests the Go SDK, its demo service and the proxy that meddles: test.sh [lint|unit|vectors|packages]..., all of them without words.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
service=../../examples/go-service
proxy=../../examples/proxy
fuzz_time=${TOWLINE_FUZZ_TIME:-3s}
export GOFLAGS="${GOFLAGS:-} -mod=readonly"

lint() {
  local unformatted
  unformatted=$(gofmt -l . "$service" "$proxy")
  [ -z "$unformatted" ] || { echo "not formatted: $unformatted" >&2; return 1; }
  # The SDK depends on the standard library only.
  ! grep -q '^require' go.mod
  mkdir -p .build
  (cd tools && go build -o ../.build/staticcheck honnef.co/go/tools/cmd/staticcheck)
  local here=$PWD folder
  for folder in . otel peers "$service" "$proxy"; do
    (cd "$folder" && go vet ./... && "$here/.build/staticcheck" -checks all ./...)
  done
}

unit() {
  go test -race -skip '^TestVector' ./...
  (cd otel && go test -race -count=1 ./...)
  (cd peers && go test -race -count=1 ./...)
  "$service/setup.sh"
  (cd "$service" && go test -race -count=1 ./...)
  (cd "$proxy" && go test -race -count=1 ./...)
  local target
  for target in $(go test -list '^Fuzz' . | grep '^Fuzz'); do
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzz_time" .
  done
}

vectors() {
  go test -count=1 -run '^TestVector' .
}

# The package as others get it: the files that a module download has, used by a program elsewhere.
packages() {
  local elsewhere
  elsewhere=$(mktemp -d)
  trap 'rm -rf "$elsewhere"' RETURN
  mkdir "$elsewhere/sdk" "$elsewhere/app"
  find . -maxdepth 1 \( -name '*.go' ! -name '*_test.go' -o -name go.mod -o -name README.md \) -exec cp -t "$elsewhere/sdk" {} +
  cp testdata/program/main.go.txt "$elsewhere/app/main.go"
  cd "$elsewhere/app"
  go mod init example.com/app
  go mod edit -require=towline.invalid/go@v0.1.0 -replace=towline.invalid/go=../sdk
  go mod tidy
  go vet .
  go run .
}

if [ $# -eq 0 ]; then
  set -- lint unit vectors packages
fi
for part in "$@"; do
  case $part in
    lint | unit | vectors | packages)
      began=$SECONDS
      ("$part")
      echo "go $part: ok, $((SECONDS - began)) s"
      ;;
    *)
      echo "test.sh: '$part' is none of lint, unit, vectors, packages" >&2
      exit 2
      ;;
  esac
done
