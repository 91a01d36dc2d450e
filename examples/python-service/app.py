"""The Python demo service: what it offers is written in spec/services.md.

Tracing is two lines of it: the middleware around the application, and the instrumented session.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
from typing import Any
from urllib.parse import urlsplit

import fault
import requests
from flask import Flask, jsonify, request
from waitress.server import create_server
from werkzeug.exceptions import BadRequest, HTTPException

import towline.requests
from towline import STATUS_PATH, Config, Propagator, Towline, current, status_view
from towline.futures import ThreadPoolExecutor

BODY_BYTES_MAX = 1 << 20
CALLS_MAX = 64
CALL_SECONDS_MAX = 5
PASSED_ON = ("payload", "calls", "mode")

logging.basicConfig(stream=sys.stdout, level=logging.INFO)
propagator = Propagator(Config(filter=lambda method, path: path not in ("/health", STATUS_PATH)))
config = propagator.config

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
app.wsgi_app = Towline(app.wsgi_app, propagator)  # type: ignore[method-assign]  # as Flask's documentation does

session = towline.requests.instrument(requests.Session())
session.trust_env = False
for scheme in ("http://", "https://"):
    session.mount(scheme, fault.WireAdapter(pool_connections=CALLS_MAX, pool_maxsize=CALLS_MAX))

pool = ThreadPoolExecutor(max_workers=CALLS_MAX)


app.add_url_rule(STATUS_PATH, view_func=status_view(propagator))


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
        jobs = [
            (_process_url(entry["url"]), {"payload": payload} | {n: entry[n] for n in PASSED_ON if n in entry})
            for entry in _listed(body["calls"])
        ]
        if _mode(body) == "parallel":
            futures = [pool.submit(_call, *job) for job in jobs]
            calls = [future.result() for future in futures]
        else:
            calls = [_call(*job) for job in jobs]
    elif body.get("downstream") is None:
        calls = []
    else:
        shifted = {"downstream": body.get("next_downstream"), "next_downstream": body.get("next_next_downstream")}
        passed_on = {"payload": payload} | {name: url for name, url in shifted.items() if url is not None}
        calls = [_call(_process_url(_url(body, "downstream")), passed_on)]
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
    call: dict[str, Any] = {"url": url, "status": None, "answer": None, "answerHeaders": {}, "error": None}
    try:
        response = session.post(
            url, json.dumps(body), headers={"content-type": "application/json"}, timeout=CALL_SECONDS_MAX
        )
    except requests.RequestException as error:
        return call | {"error": str(error) or type(error).__name__} | fault.sent(error.request)
    call |= {"answerHeaders": fault.seen(response.headers)} | fault.sent(response.request)
    try:
        return call | {"answer": response.json(), "status": response.status_code}
    except (requests.JSONDecodeError, RecursionError):
        return call | {"error": f"the answer, of status {response.status_code}, is not JSON"}


def _body(form: type) -> Any:
    try:
        body = request.get_json(force=True)
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    if not isinstance(body, form):
        raise BadRequest(f"the body is not a JSON {'array' if form is list else 'object'}")
    return body


def _listed(entries: Any) -> list[dict[str, Any]]:
    if not isinstance(entries, list) or len(entries) > CALLS_MAX:
        raise BadRequest(f"calls are not a list of at most {CALLS_MAX}")
    for entry in entries:
        if not isinstance(entry, dict):
            raise BadRequest("a call is not an object")
        _url(entry, "url")
        _mode(entry)
        if "payload" in entry:
            _text(entry, "payload")
        if not isinstance(entry.get("calls", []), list):
            raise BadRequest("the calls of a call are not a list")
    return entries


def _url(body: dict[str, Any], name: str) -> str:
    url = _text(body, name)
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return url
    except ValueError:
        pass
    raise BadRequest(f"{name} is not an address of http or https")


def _process_url(url: str) -> str:
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
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "6002"))), backlog=1024)
    server = create_server(
        fault.Wire(app, faults), sockets=[listener], threads=64, ident=None, channel_request_lookahead=1
    )

    def stop(*_: object) -> None:
        raise SystemExit(0)  # the server finishes what it is answering

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    print(f"{config.service_name} listening on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server.run()


if __name__ == "__main__":
    main()
