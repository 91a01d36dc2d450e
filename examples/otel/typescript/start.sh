#!/bin/sh
# Becomes the server.
set -eu
cd "$(dirname "$0")"
exec node --require ./dist/telemetry.js dist/main.js
