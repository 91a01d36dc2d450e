"""Every case of trace-context.json over real HTTP: what servers join, strip and re-case on the way."""

import json
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from conftest import propagator_of
from spec_files import vectors
from test_cancelled import serving_waitress
from towline import Propagator, Towline, TowlineASGI, current

CASES = vectors("trace-context")["cases"]


def told() -> bytes:
    context = current()
    assert context is not None
    said = {
        "trace_id": context.trace_id,
        "parent_id": context.parent_id,
        "flags": f"{context.flags:02x}",
        "tracestate": context.tracestate,
        "sent": dict(context.call("example.com").headers),
    }
    return json.dumps(said).encode()


def wsgi(_: Any, start_response: Any) -> Iterable[bytes]:
    body = told()
    start_response("200 OK", [("content-length", str(len(body)))])
    return [body]


async def asgi(_: Any, __: Any, send: Any) -> None:
    body = told()
    head = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    await send(head)
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def propagator() -> Propagator:
    return propagator_of(service_name="wire")


@pytest.fixture(params=["waitress", "uvicorn"])
def url(request: Any, propagator: Propagator, serve_asgi: Callable[[Any], str]) -> Iterator[str]:
    if request.param == "waitress":
        with serving_waitress(Towline(wsgi, propagator)) as url:
            yield url
    else:
        yield serve_asgi(TowlineASGI(asgi, propagator))


def ask(url: str, fields: list[tuple[str, str]]) -> tuple[int, bytes]:
    """One request, its head byte for byte as it is given."""
    host = urlsplit(url).netloc
    lines = [f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n".encode()]
    lines += [name.encode() + b":" + value.encode("utf-8", "surrogateescape") + b"\r\n" for name, value in fields]
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=10) as connection:
        connection.sendall(b"".join(lines) + b"\r\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def is_sendable(fields: list[tuple[str, str]]) -> bool:
    """Does HTTP let these through? No control characters, RFC 9110, section 5.5; a server may refuse them."""
    return all(ch == "\t" or (" " <= ch and ch != "\x7f") for _, value in fields for ch in value)


def mixed(name: str) -> str:
    return "".join(ch.upper() if n % 2 else ch for n, ch in enumerate(name))


@pytest.mark.parametrize("spelled", [str, mixed, str.upper], ids=["lower", "mixed", "upper"])
def test_every_case(url: str, propagator: Propagator, spelled: Callable[[str], str]) -> None:
    refused = 0
    for case in CASES:
        fields = [(name, value) for name, value in case["fields"]]
        before = propagator.counters.snapshot()
        status, body = ask(url, [(spelled(name), value) for name, value in fields])
        if status == 400 and not is_sendable(fields):
            refused += 1
            continue
        assert status == 200, case["name"]
        said = json.loads(body)
        dropped = {
            key
            for key, n in propagator.counters.snapshot().items()
            if key.startswith(("traceparent/", "tracestate/")) and n > before.get(key, 0)
        }
        if "restart" in case:
            assert said["parent_id"] is None, case["name"]
            assert said["tracestate"] == "", case["name"]
            assert dropped == {"traceparent/" + case["restart"].replace(" ", "_")}, case["name"]
            continue
        goes_on = case["continue"]
        assert [said[name] for name in ("trace_id", "parent_id", "flags")] == [
            goes_on["trace_id"],
            goes_on["parent_id"],
            goes_on["flags_out"],
        ], case["name"]
        assert said["sent"].get("tracestate") == goes_on["tracestate_out"], case["name"]
        reason = goes_on["tracestate_dropped"]
        expected = {f"tracestate/{reason.replace(' ', '_')}"} if reason else set()
        assert dropped == expected, case["name"]
    assert refused < len(CASES) / 10
