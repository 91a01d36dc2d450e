"""Header values read and written, without a server or a client around them."""

from __future__ import annotations

from collections.abc import Callable

from bench.inbound import Inbound, inbound
from bench.job import Job, expect, expect_child
from towline import Clock, TraceContext


def hops_of(words: list[str]) -> int:
    """How many hops the clocks of a variant have."""
    return int(words[3]) if "clock" in words else 0


def make(variant: str) -> Job:
    """One variant."""
    words = variant.split()
    came = inbound(hops_of(words))
    checked: Callable[[Inbound], None] = lambda request: None  # noqa: E731
    inputs: list[object] = [None for _ in came]
    work: Callable[..., object] = lambda _: None  # noqa: E731

    if variant.startswith("otel"):
        from opentelemetry import trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        codec = TraceContextTextMapPropagator()
        carriers = [dict(request.fields) for request in came]
        if "read" in words:
            inputs, work = list(carriers), codec.extract
            checked = lambda request: expect(  # noqa: E731
                "trace id",
                f"{trace.get_current_span(codec.extract(dict(request.fields))).get_span_context().trace_id:032x}",
                request.trace_id,
            )
        else:
            inputs = [codec.extract(carrier) for carrier in carriers]
            work = lambda context: codec.inject({}, context)  # noqa: E731

            def checked(request: Inbound) -> None:
                carrier: dict[str, str] = {}
                codec.inject(carrier, codec.extract(dict(request.fields)))
                expect_child("traceparent", carrier.get("traceparent"), request.trace_id, "")
    elif "clock" in words:
        inputs = [(request.clock.format(), request.trace_id) for request in came if request.clock]
        work = lambda pair: Clock.parse(*pair)  # noqa: E731
        checked = lambda request: expect(  # noqa: E731
            "clock",
            str(Clock.parse(f" {request.clock} ", request.trace_id)),
            str(request.clock),
        )
    elif "traceparent" in words:
        fields = [[request.fields[0][1]] for request in came]
        if "read" in words:
            inputs, work = list(fields), TraceContext.read
        else:
            inputs, work = [TraceContext.read(field) for field in fields], TraceContext.traceparent
        checked = lambda request: expect(  # noqa: E731
            "traceparent", TraceContext.read([request.fields[0][1]]).traceparent(), request.fields[0][1]
        )

    def run() -> None:
        for value in inputs:
            work(value)

    def check() -> None:
        expect("inputs", len(inputs), len(came))
        for request in came:
            checked(request)

    return Job(check, lambda: run, len(inputs), 4 if hops_of(words) > 4 else 30)
