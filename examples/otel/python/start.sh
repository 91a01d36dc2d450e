#!/bin/sh
# Becomes the server.
set -eu
cd "$(dirname "$0")"
exec .venv/bin/python app.py
