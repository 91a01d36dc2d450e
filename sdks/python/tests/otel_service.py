"""A service that knows nothing but OpenTelemetry: Flask and requests, instrumented. It ends with its input."""

import json
import sys
import threading
from typing import Any

import requests
from flask import Flask, request
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from werkzeug.serving import make_server

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
app = Flask("middle")
FlaskInstrumentor().instrument_app(app, excluded_urls="spans")
RequestsInstrumentor().instrument()


@app.get("/")
def call_on() -> Any:
    for url in request.args.getlist("next"):
        requests.get(url, timeout=10).raise_for_status()
    return {"towline": "towline" in sys.modules}


@app.get("/spans")
def spans() -> Any:
    return [json.loads(span.to_json()) for span in exporter.get_finished_spans()]


def main() -> None:
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    print(server.port, flush=True)
    sys.stdin.read()
    server.shutdown()
    thread.join()
    server.server_close()


if __name__ == "__main__":
    main()
