"""The Flask application in a server of waitress on 127.0.0.1, with kept connections: CPU time of the server process.

The requests are written by a process of their own (this module, run as a program), which is not measured.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from waitress.server import create_server

from bench.flask_table import application, check_answer, hops_of, wrap
from bench.inbound import inbound
from bench.job import Job, expect


def make(variant: str) -> Job:
    """One variant."""
    app, probes = application()
    carries = wrap(app, variant)
    came = inbound(hops_of(variant))
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns of each request that finds its thread busy
    server = create_server(app, host="127.0.0.1", port=0, threads=1)
    threading.Thread(target=server.run, daemon=True).start()
    caller = subprocess.Popen(
        [sys.executable, "-m", "bench.loopback_table", str(server.effective_port), str(hops_of(variant))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def ask(times: int) -> Any:
        assert caller.stdin and caller.stdout
        caller.stdin.write(f"{times}\n")
        caller.stdin.flush()
        return json.loads(caller.stdout.readline())

    def check() -> None:
        seen: list[str | None] = []
        probes.append(lambda: seen.append(carries()))
        clocks = ask(1)
        probes.clear()
        expect("requests", len(seen), len(came))
        for request, carried, clock in zip(came, seen, clocks, strict=True):
            check_answer(variant, request, carried, clock)

    def prepare() -> Callable[[], None]:
        return lambda: ask(1)

    return Job(check, prepare, len(came), 2)


def main() -> None:
    """Sends all requests as often as each line of standard input says, and tells the clocks of the last time."""
    port, hops = int(sys.argv[1]), int(sys.argv[2])
    requests = [
        "".join(
            [
                f"GET /items/{i} HTTP/1.1\r\nHost: localhost\r\n",
                *(f"{name}: {value}\r\n" for name, value in request.fields),
                "\r\n",
            ]
        ).encode()
        for i, request in enumerate(inbound(hops))
    ]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for line in sys.stdin:
            clocks: list[str | None] = []
            for _ in range(int(line)):
                clocks = [_exchange(connection, request) for request in requests]
            print(json.dumps(clocks), flush=True)


def _exchange(connection: socket.socket, request: bytes) -> str | None:
    connection.sendall(request)
    answer = b""
    while not answer.endswith(b"\r\n\r\na body"):
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("the server hung up")
        answer += part
    head = answer.decode("latin-1").split("\r\n")
    return next((line.split(": ", 1)[1] for line in head if line.lower().startswith("raceway-clock:")), None)


if __name__ == "__main__":
    main()
