"""A service that OpenTelemetry alone instruments; what it offers is written in examples/otel/README.md."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask, jsonify, request
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id
from waitress.server import create_server

NAME = "otel-python"
CALL_SECONDS_MAX = 5

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))

app = Flask(__name__)
FlaskInstrumentor().instrument_app(app, tracer_provider=provider, excluded_urls="/spans")
RequestsInstrumentor().instrument(tracer_provider=provider)

session = requests.Session()
session.trust_env = False


@app.post("/process")
def process() -> Any:
    work = request.get_json()
    calls = [_call(entry, work["payload"]) for entry in work.get("calls", [])]
    return jsonify(service=NAME, payload=work["payload"], calls=calls)


@app.get("/spans")
def spans() -> Any:
    return jsonify([_told(span) for span in exporter.get_finished_spans()])


def _call(entry: dict[str, Any], payload: str) -> dict[str, Any]:
    url = entry["url"]
    if urlsplit(url).path in ("", "/"):
        url = url.rstrip("/") + "/process"
    body = {"payload": payload, "calls": entry.get("calls", [])}
    answer = session.post(url, json=body, timeout=CALL_SECONDS_MAX)
    return {"url": entry["url"], "status": answer.status_code, "answer": answer.json()}


def _told(span: ReadableSpan) -> dict[str, Any]:
    return {
        "name": span.name,
        "kind": span.kind.name.lower(),
        "trace_id": format_trace_id(span.context.trace_id),
        "span_id": format_span_id(span.context.span_id),
        "parent_id": format_span_id(span.parent.span_id) if span.parent else None,
    }


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("PORT") or 0)))
    server = create_server(app, sockets=[listener])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    print(f"{NAME} listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server.run()


if __name__ == "__main__":
    main()
