"""The Python demo service: what it offers is written in spec/services.md.

Tracing is two lines of it: the middleware around the application, and the instrumented session.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any
from urllib.parse import urlsplit

import fault
import requests
import towline.requests
from flask import Flask, jsonify, request
from towline import Config, Propagator, Towline, current
from towline.futures import ThreadPoolExecutor
from waitress.server import create_server
from werkzeug.exceptions import BadRequest, HTTPException

BODY_BYTES_MAX = 1 << 20
CALLS_MAX = 64
CALL_SECONDS_MAX = 5

propagator = Propagator(Config(filter=lambda method, path: path != "/health"))
config = propagator.config

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
app.wsgi_app = Towline(app.wsgi_app, propagator)  # type: ignore[method-assign]  # as Flask's documentation does

session = towline.requests.instrument(requests.Session())
session.trust_env = False
for scheme in ("http://", "https://"):
    session.mount(scheme, fault.WireAdapter(pool_connections=CALLS_MAX, pool_maxsize=CALLS_MAX))

pool = ThreadPoolExecutor(max_workers=CALLS_MAX)


@app.get("/health")
def health() -> Any:
    return jsonify(service=config.service_name, instance=config.instance, status="healthy")


@app.post("/test")
def test() -> Any:
    for entry in _listed(_body(list)):
        _call(entry["url"], entry.get("arguments"))
    return jsonify({})


@app.post("/process")
def process() -> Any:
    body = _body(dict)
    payload = _text(body, "payload")
    downstream = None
    if "calls" in body:
        entries = _listed(body["calls"])
        jobs = [(_process_url(entry), {"payload": payload} | entry | {"url": None}) for entry in entries]
        if _mode(body) == "parallel":
            futures = [pool.submit(_call, *job) for job in jobs]
            calls = [future.result() for future in futures]
        else:
            calls = [_call(*job) for job in jobs]
    else:
        calls = []
        if body.get("downstream") is not None:
            shifted = {"downstream": body.get("next_downstream"), "next_downstream": body.get("next_next_downstream")}
            calls = [_call(_process_url({"url": body["downstream"]}), {"payload": payload} | shifted)]
            downstream, calls[0]["answer"] = calls[0]["answer"], None
    context = current()
    assert context is not None
    return jsonify(
        service=config.service_name,
        instance=config.instance,
        payload=payload,
        trace_id=context.trace_id,
        span_id=context.span_id,
        parent_id=context.parent_id,
        flags=f"{context.flags:02x}",
        receivedHeaders=fault.received(),
        clock=context.stamp().format(),
        calls=calls,
        downstream=downstream,
    )


@app.errorhandler(HTTPException)
def refused(error: HTTPException) -> Any:
    # A body that is too long is not of the form either.
    status = 400 if error.code == 413 else error.code or 500
    return jsonify(error=error.description or error.name), status


def _call(url: str, body: Any) -> dict[str, Any]:
    """One POST, and what was on the wire for it."""
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if value is not None}
    call: dict[str, Any] = {"url": url, "status": None, "answer": None, "error": None}
    try:
        response = session.post(url, json=body, timeout=CALL_SECONDS_MAX)
        call["answer"] = response.json()
        call["status"] = response.status_code
        sent, call["answerHeaders"] = response.request, fault.seen(response.headers)
    except requests.RequestException as error:
        call["error"] = str(error) or type(error).__name__
        sent, call["answerHeaders"] = error.request, {}
        if error.response is not None:
            sent, call["answerHeaders"] = error.response.request, fault.seen(error.response.headers)
    return call | fault.sent(sent)


def _body(form: type) -> Any:
    body = request.get_json(force=True)
    if not isinstance(body, form):
        raise BadRequest(f"the body is not a JSON {'array' if form is list else 'object'}")
    return body


def _listed(entries: Any) -> list[dict[str, Any]]:
    if not isinstance(entries, list) or len(entries) > CALLS_MAX:
        raise BadRequest(f"calls are a list of at most {CALLS_MAX}")
    for entry in entries:
        if not isinstance(entry, dict):
            raise BadRequest("a call is an object")
        parts = urlsplit(_text(entry, "url"))
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest("url is not of http or https")
        if "payload" in entry:
            _text(entry, "payload")
        _mode(entry)
    return entries


def _process_url(entry: dict[str, Any]) -> str:
    url = str(_listed([entry])[0]["url"])
    parts = urlsplit(url)
    return url if parts.path.strip("/") else parts._replace(path="/process").geturl()


def _text(body: dict[str, Any], name: str) -> str:
    text = body.get(name)
    if not isinstance(text, str):
        raise BadRequest(f"{name} is not a text")
    return text


def _mode(body: dict[str, Any]) -> str:
    mode = body.get("mode", "sequential")
    if mode not in ("sequential", "parallel"):
        raise BadRequest("mode is neither sequential nor parallel")
    return str(mode)


def main() -> None:
    faults = fault.configured(config.service_name)
    server = create_server(
        fault.Wire(app, faults), host="127.0.0.1", port=int(os.environ.get("PORT", "6002")), threads=64, ident=None
    )

    def stop(*_: object) -> None:
        raise SystemExit(0)  # the server finishes what it is answering

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    print(f"{config.service_name} listening on 127.0.0.1:{server.effective_port}", flush=True)
    server.run()


if __name__ == "__main__":
    sys.exit(main())
