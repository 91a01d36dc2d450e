#!/bin/sh
# Becomes the server. Names can be changed by any of Towline's settings.
set -eu
cd "$(dirname "$0")"
export OTEL_RESOURCE_ATTRIBUTES="service.name=go,service.instance.id=go-1${OTEL_RESOURCE_ATTRIBUTES:+,$OTEL_RESOURCE_ATTRIBUTES}"
exec .build/go-service
