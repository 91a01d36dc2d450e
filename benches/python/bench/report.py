"""Tables of what was measured."""

from __future__ import annotations

from statistics import median
from typing import NamedTuple

TITLES = {
    "flask": "Flask, per request",
    "asgi": "ASGI, per request",
    "requests": "requests, per call",
    "httpx": "httpx, per call",
    "codecs": "Codecs alone, per header",
    "loopback": "Flask in waitress over loopback with kept connections, server CPU per request",
}

NOTE = """\
CPU time of the process in microseconds; *over bare* and the ratios are of the minima. *Of OpenTelemetry* is what is
added over bare as a part of what OpenTelemetry's instrumentation adds with every trace sampled; *sampling off* the
same where it samples none. The target is at most 0.50 of the former, clock included."""

METHOD = """\
### Method

- Each variant is a process of its own and first checks what comes out: the handler's next `traceparent`, the answer's
  clock, the call's fields. A wrong one ends the run. Then {rounds} rounds are timed, after one that warms up, in turn
  (A B C … A B C …), by the CPU time of the whole process, all its threads, with garbage collection as it is by default.
- 512 different sets of headers. Requests with a clock carry all that Towline's clients send: `traceparent`, the member
  in `tracestate` and `raceway-clock`. They are answered with the clock of the strand's end.
- Flask is called with a WSGI environ, ASGI (a minimal application) with a scope: no sockets.
- Clients answer from a transport that is a stub and does the same work in all variants. Each call belongs to a request,
  two to each; *n hops* is what the call sends, its own strand included, and its answer's clock is read.
  *Fields by hand* is a floor: three fixed fields are set on each request and one comes back; nothing is made or read.
- OpenTelemetry: official instrumentation and SDK, batch processor, an exporter that does nothing; no metrics. Its ASGI
  instrumentation makes spans of each message as well by default; *no send spans* is without those.
"""


class Timed(NamedTuple):
    """The rounds of one variant, in nanoseconds."""

    name: str
    rounds: list[float]

    @property
    def least(self) -> float:
        """The minimum."""
        return min(self.rounds)


class Table(NamedTuple):
    """What was measured in turn. The first variant is the bare one."""

    name: str
    timed: list[Timed]

    def markdown(self) -> str:
        """A heading and a table."""
        head = ["", "minimum", "median", "over bare", "of OpenTelemetry", "sampling off"]
        columns = 4 if self.name == "codecs" or len(self.timed[0].rounds) == 1 else 6
        lines = [f"### {TITLES[self.name]}", "", _line(head[:columns]), _line(["---"] + ["--:"] * (columns - 1))]
        bare = self.timed[0].least
        for one in self.timed:
            over = one.least - bare
            cells = [
                one.name.replace("otel", "OpenTelemetry").replace("towline", "Towline").replace(" 1 hops", " 1 hop")
            ]
            cells += [f"{one.least / 1000:.2f}", f"{median(one.rounds) / 1000:.2f}"]
            cells.append("" if one is self.timed[0] else f"{over / 1000:.2f}")
            if columns == 6:
                towline = one.name.startswith("towline")
                cells += [self._ratio(over, rival) if towline else "" for rival in ("otel", "otel, sampling off")]
            lines.append(_line(cells))
        return "\n".join(lines) + "\n"

    def _ratio(self, over: float, rival: str) -> str:
        found = [one for one in self.timed if one.name == rival]
        return f"{over / (found[0].least - self.timed[0].least):.2f}" if found else ""


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def head(versions: str) -> str:
    """What stands above the tables of a full run."""
    return f"## Python\n\n{versions}.\n\n{NOTE}\n"


def method(rounds: int) -> str:
    """What stands below them."""
    return METHOD.format(rounds=rounds)
