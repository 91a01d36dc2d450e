#!/bin/sh
# Becomes the service. PORT: where it listens (default 6001, 0: any free port).
set -eu
cd "$(dirname "$0")"

# Does the environment say this already, under another name?
named() { [ -n "$1" ] || case ",${OTEL_RESOURCE_ATTRIBUTES:-}" in *",$2="*) ;; *) false ;; esac; }

named "${TOWLINE_SERVICE_NAME:-}${OTEL_SERVICE_NAME:-}" service.name || export TOWLINE_SERVICE_NAME=typescript
named "${TOWLINE_INSTANCE:-}" service.instance.id || export TOWLINE_INSTANCE=ts-1

exec node dist/src/main.js
