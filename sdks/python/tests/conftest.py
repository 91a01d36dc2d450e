"""Servers on loopback, and an observer that remembers."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import uvicorn
from hypothesis import settings
from werkzeug.serving import WSGIRequestHandler, make_server

from towline import CallEvent, Config, Observer, Propagator, StrandEvent, _beside

settings.register_profile("towline", deadline=None)  # how long an example takes says more of the machine
settings.load_profile("towline")

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"
CLOCK = 'v2;t=1c80319c, web#1/69203331:2;x="2"'
"""Of a caller that waits for the answer."""


class Recorder(Observer):
    """Remembers all that it was told, in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def on_strand_start(self, event: StrandEvent) -> None:
        self.events.append(("strand_start", event))

    def on_strand_end(self, event: StrandEvent) -> None:
        self.events.append(("strand_end", event))

    def on_call_sent(self, event: CallEvent) -> None:
        self.events.append(("call_sent", event))

    def on_call_answered(self, event: CallEvent) -> None:
        self.events.append(("call_answered", event))

    def on_dropped(self, what: str, reason: str) -> None:
        self.events.append(("dropped", f"{what}/{reason}"))

    def of(self, kind: str) -> list[Any]:
        return [event for name, event in self.events if name == kind]

    def outcomes(self, kind: str = "strand_end") -> list[str]:
        return [event.outcome for event in self.of(kind)]


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    """Waits until the condition holds; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not happen"
        threading.Event().wait(0.005)


def propagator_of(recorder: Observer | None = None, **settings: Any) -> Propagator:
    """One that no environment changes."""
    settings = {"service_name": "shop", "instance": "1", "environ": {}} | settings
    return Propagator(Config(**settings), [] if recorder is None else [recorder])


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where OpenTelemetry is not used, also after a test that used it."""
    monkeypatch.setattr(_beside, "installed", None)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def propagator(recorder: Recorder) -> Propagator:
    return propagator_of(recorder)


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: Any, **__: Any) -> None:
        pass


@contextmanager
def serving_wsgi(app: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_asgi(app: Any) -> Iterator[str]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def serve_wsgi() -> Iterator[Callable[[Any], str]]:
    """Starts WSGI servers, and stops them after the test."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(serving_wsgi(app))


@pytest.fixture
def serve_asgi() -> Iterator[Callable[[Any], str]]:
    """Starts ASGI servers, and stops them after the test."""
    with ExitStack() as stack:
        yield lambda app: stack.enter_context(serving_asgi(app))
