"""Runs the tables: a process for each variant, and one round of each after the other (A B C … A B C …)."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys

from bench.report import Table, Timed, head, method

_CLOCKS = tuple(f"towline, {hops} hops" for hops in (1, 4, 16))
_RIVALS = ("otel", "otel, sampling off")
VARIANTS = {
    "flask": ("bare", *_RIVALS, "towline, traceparent", *_CLOCKS),
    "asgi": ("bare", *_RIVALS, "otel, no send spans", "towline, traceparent", *_CLOCKS),
    "requests": ("bare", "fields by hand", *_RIVALS, "towline, no clock", *_CLOCKS),
    "httpx": ("bare", "fields by hand", *_RIVALS, "towline, no clock", *_CLOCKS),
    "codecs": (
        "loop alone",
        "otel, traceparent read",
        "otel, traceparent written",
        "towline, traceparent read",
        "towline, traceparent written",
        *(f"towline, clock of {hops} hops read" for hops in (1, 4, 16, 64)),
    ),
    "loopback": ("bare", *_RIVALS, "towline, traceparent", "towline, 4 hops"),
}
ROUNDS = 9
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("TOWLINE_", "OTEL_"))}


class Process:
    """Variants of one table, in a process."""

    def __init__(self, name: str, *arguments: str) -> None:
        self.name = name
        self.timed: list[float] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.variant", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT | {"PYTHONHASHSEED": "0"},
        )

    def read(self) -> str:
        """The next line that it prints; the end of the run where it has none."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} failed")
        return line

    def round(self) -> float:
        """Times it once."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self.read())

    def close(self) -> None:
        """The end of its input is its end."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()


def quick(table: str) -> Table:
    """Towline's variants of a table, one after the other in one process."""
    names = [name for name in VARIANTS[table] if not name.startswith("otel")]
    process = Process(table, "--quick", table, *names)
    try:
        return Table(table, [Timed(name, [float(process.read())]) for name in names])
    finally:
        process.close()


def full(table: str) -> Table:
    """All variants of a table, each in its process, in turn."""
    processes: list[Process] = []
    try:
        for name in VARIANTS[table]:
            processes.append(Process(name, table, name))
            processes[-1].read()  # it has checked itself, while the others wait
        for turn in range(ROUNDS + 1):
            for process in processes:
                nanoseconds = process.round()
                if turn:  # the first one warms up
                    process.timed.append(nanoseconds)
    finally:
        for process in processes:
            process.close()
    return Table(table, [Timed(process.name, process.timed) for process in processes])


def versions() -> str:
    """What was measured."""
    packages = ("flask", "requests", "httpx", "waitress", "opentelemetry-sdk", "opentelemetry-instrumentation")
    named = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    return f"{platform.python_implementation()} {platform.python_version()}, {', '.join(named)}"


def main() -> None:
    """`[--quick | TABLE...]`."""
    words = sys.argv[1:]
    is_quick = words == ["--quick"]
    unknown = [word for word in words if word not in VARIANTS]
    if unknown and not is_quick:
        print(f"no table {unknown[0]!r}: {', '.join(VARIANTS)}", file=sys.stderr)
        sys.exit(2)
    if not words:
        print(head(versions()), flush=True)
    for name in VARIANTS if is_quick or not words else words:
        table = quick(name) if is_quick else full(name)
        print(table.markdown(), flush=True)
    if not words:
        print(method(ROUNDS))


if __name__ == "__main__":
    main()
