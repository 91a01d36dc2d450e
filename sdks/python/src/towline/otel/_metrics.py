"""The counters, as metrics of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from towline._counters import Summary
from towline._propagator import Propagator, default
from towline._version import VERSION


def register_metrics(propagator: Propagator | None = None, provider: metrics.MeterProvider | None = None) -> None:
    """Gives a meter provider what `counters.summary()` says: a counter `towline.<name>` each, those that have reasons
    with the attribute `reason`.

    Args:
        propagator: whose counters; default: `towline.default()`, when they are read.
        provider: default: the global one.

    Example:
        >>> register_metrics()
    """
    meter = metrics.get_meter("towline", VERSION, provider)
    for name in Summary.__annotations__:
        meter.create_observable_counter(f"towline.{name}", [_reading(propagator, name)])


def _reading(propagator: Propagator | None, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_: CallbackOptions) -> Iterable[Observation]:
        count = cast(dict[str, int | dict[str, int]], (propagator or default()).counters.summary())[name]
        if isinstance(count, int):
            return [Observation(count)]
        return [Observation(n, {"reason": reason}) for reason, n in count.items()]

    return read


__all__ = ["register_metrics"]
