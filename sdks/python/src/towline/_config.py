"""The settings, already decided (api.md, "Settings")."""

from __future__ import annotations

import logging
import os
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, cast
from urllib.parse import unquote

from towline._hosts import HostList
from towline._reader import DEFAULT_LIMITS, Limits

logger = logging.getLogger("towline")

ClockMode = Literal["auto", "v2", "v1", "off"]
CLOCK_MODES = ("auto", "v2", "v1", "off")
PROPAGATORS = ("tracecontext", "baggage", "b3", "b3multi", "towline", "none")

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trust:
    """What to make of the trace context that a peer sent."""

    action: Literal["continue", "restart", "ignore"] = "continue"
    """`restart` begins a new trace and keeps the received context as its link; `ignore` keeps nothing."""
    drop_tracestate: bool = False
    """Drop `tracestate`, also where the trace goes on."""


CONTINUE = Trust()

Filter = Callable[[str, str], bool]
"""Of method and path: is the request to be served?"""

STATUS_PATH = "/.well-known/towline"
"""Where a status handler is looked for."""

_HEALTH_PATHS = frozenset(
    (
        STATUS_PATH,
        "/health",
        "/healthz",
        "/health/live",
        "/health/ready",
        "/live",
        "/livez",
        "/ready",
        "/readyz",
        "/ping",
        "/metrics",
    )
)


def without_health_checks(method: str, path: str) -> bool:
    """A filter that leaves out GET and HEAD requests to the usual paths of health checks and metrics, and to
    `STATUS_PATH`."""
    return method not in ("GET", "HEAD") or path.rstrip("/") not in _HEALTH_PATHS


class Config:
    """The settings of a `Propagator`. What is given wins, then `TOWLINE_*`, then `OTEL_*`, then the default.

    Empty variables are unset; a value that is not understood is warned of and ignored.

    Args:
        service_name: the service's name in clocks; default `unknown_service`.
        instance: which of its processes; default 8 random hex digits.
        disabled: read, send and count nothing; requests pass untouched.
        clock: `auto`, `v2`, `v1` or `off`.
        tracestate: write our `tracestate` member.
        propagators: what is read and sent beside `traceparent` and `tracestate`, which always are: the words of
            `OTEL_PROPAGATORS`, of which `baggage`, `b3` and `b3multi` matter here; default `tracecontext`, `baggage`.
        propagate_to: hosts to which clocks go besides the internal ones: suffixes, addresses, CIDR blocks, `*`.
        traceparent_to: hosts to which `traceparent` and the `tracestate` of others go; default all.
        sampled: the sampled flag of traces that begin here.
        trust: of a peer's address (empty where it is not known); default: every peer is trusted.
        trace_response: write `traceresponse` and `Server-Timing` on responses.
        deadlines: read and send how much time is left, and give calls up when it is over.
        hash_labels: hide service and instance names in clocks to hosts that only `propagate_to` allows.
        probe: who may ask for hop records: `loopback`, `off`, or the token that they have to know.
        header_bytes_max: of a clock, read and written; 1 to 4096.
        levels_max: of a clock; 1 to 64.
        forks_max: of a clock; 0 to 65536.
        filter: which requests are served; default all. See `without_health_checks`.
        environ: the environment.

    Example:
        >>> Config(service_name="shop", environ={"TOWLINE_CLOCK": "off"}).clock
        'off'
    """

    __slots__ = (
        "clock",
        "deadlines",
        "disabled",
        "filter",
        "hash_labels",
        "instance",
        "internal",
        "limits",
        "probe",
        "propagate_to",
        "propagators",
        "sampled",
        "service_name",
        "trace_response",
        "traceparent_to",
        "tracestate",
        "trust",
    )

    def __init__(
        self,
        *,
        service_name: str | None = None,
        instance: str | None = None,
        disabled: bool | None = None,
        clock: ClockMode | None = None,
        tracestate: bool | None = None,
        propagators: Iterable[str] | None = None,
        propagate_to: Iterable[str] | None = None,
        traceparent_to: Iterable[str] | None = None,
        sampled: bool | None = None,
        trust: Callable[[str], Trust] | None = None,
        trace_response: bool | None = None,
        deadlines: bool | None = None,
        hash_labels: bool | None = None,
        probe: str | None = None,
        header_bytes_max: int | None = None,
        levels_max: int = DEFAULT_LIMITS.levels_max,
        forks_max: int = DEFAULT_LIMITS.forks_max,
        filter: Filter | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        env = _Environment(os.environ if environ is None else environ)
        self.service_name = (
            service_name or env.first("TOWLINE_SERVICE_NAME", "OTEL_SERVICE_NAME", "service.name") or "unknown_service"
        )
        self.instance = instance or env.first("TOWLINE_INSTANCE", "service.instance.id") or secrets.token_hex(4)
        self.disabled = env.flag("TOWLINE_DISABLED", False) if disabled is None else disabled
        default_clock: ClockMode = "auto"
        self.clock = clock or env.read("TOWLINE_CLOCK", _clock_mode, default_clock)
        self.tracestate = env.read("TOWLINE_TRACESTATE", _on_off, True) if tracestate is None else tracestate
        words = (env.first("OTEL_PROPAGATORS") or "tracecontext,baggage").split(",")
        self.propagators = _propagators(words if propagators is None else propagators)
        self.internal = HostList([], internal=True)
        self.propagate_to = HostList(env.hosts("TOWLINE_PROPAGATE_TO", propagate_to), internal=True)
        self.traceparent_to = HostList(env.hosts("TOWLINE_TRACEPARENT_TO", traceparent_to) or ["*"])
        self.sampled = env.flag("TOWLINE_SAMPLED", True) if sampled is None else sampled
        self.trace_response = env.flag("TOWLINE_TRACE_RESPONSE", False) if trace_response is None else trace_response
        self.deadlines = env.flag("TOWLINE_DEADLINES", False) if deadlines is None else deadlines
        self.hash_labels = env.flag("TOWLINE_HASH_LABELS", False) if hash_labels is None else hash_labels
        self.probe = _probe(probe or env.first("TOWLINE_PROBE") or "loopback")
        self.trust = trust
        self.filter = filter
        bytes_max = header_bytes_max or env.read("TOWLINE_HEADER_BYTES_MAX", _positive, DEFAULT_LIMITS.header_bytes_max)
        self.limits = Limits(
            *(min(n, most) for n, most in zip((bytes_max, levels_max, forks_max), DEFAULT_LIMITS, strict=True))
        )
        if self.clock not in CLOCK_MODES:
            raise ValueError(f"clock is {self.clock!r}, not one of {', '.join(CLOCK_MODES)}")


class _Environment:
    """Settings as text. Names without capitals are keys of `OTEL_RESOURCE_ATTRIBUTES`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._texts = {name: text for name, text in environ.items() if name.startswith(("TOWLINE_", "OTEL_"))}
        none: dict[str, str] = {}
        self._texts |= self.read("OTEL_RESOURCE_ATTRIBUTES", _attributes, none)

    def first(self, *names: str) -> str | None:
        return next((text for name in names if (text := self._texts.get(name, "").strip())), None)

    def read(self, name: str, understand: Callable[[str], T], default: T) -> T:
        text = self.first(name)
        if text is None:
            return default
        try:
            return understand(text)
        except ValueError:
            logger.warning("%s is %r, which is not understood and ignored", name, text)
            return default

    def flag(self, name: str, default: bool) -> bool:
        text = self.first(name)
        if text is None:
            return default
        if text.lower() not in ("true", "false"):
            logger.warning("%s is %r, neither true nor false, and taken for false", name, text)
        return text.lower() == "true"

    def hosts(self, name: str, given: Iterable[str] | None) -> list[str]:
        """The entries of a list that are understood."""
        entries = (self.first(name) or "").split(",") if given is None else given
        understood = []
        for entry in filter(None, (entry.strip() for entry in entries)):
            try:
                HostList([entry])
            except ValueError as error:
                logger.warning("an entry of the setting %s is ignored: %s", name, error)
            else:
                understood.append(entry)
        return understood


def _attributes(text: str) -> dict[str, str]:
    """Pairs of keys and values, of equal keys the last one. One that is broken discards them all."""
    attributes = {}
    for pair in filter(None, (pair.strip() for pair in text.split(","))):
        key, equals, value = pair.partition("=")
        key = key.strip()
        if not equals or not key or _BAD_ESCAPE.search(value) or key.startswith(("TOWLINE_", "OTEL_")):
            raise ValueError(pair)
        attributes[key] = unquote(value.strip(), errors="strict")
    return attributes


def _propagators(words: Iterable[str]) -> tuple[str, ...]:
    known: list[str] = []
    for word in filter(None, (word.strip().lower() for word in words)):
        if word not in PROPAGATORS:
            logger.warning("the propagator %r is not known and ignored: there are %s", word, ", ".join(PROPAGATORS))
        elif word not in known:
            known.append(word)
    if "none" in known:
        known.clear()
    if "tracecontext" not in known:
        logger.warning("the propagators do not name tracecontext; traceparent and tracestate are read and sent anyway")
    return tuple(known)


def _probe(text: str) -> str:
    """A token as it is; the two words in lower case."""
    return text.lower() if text.lower() in ("loopback", "off") else text


def _clock_mode(text: str) -> ClockMode:
    if text.lower() not in CLOCK_MODES:
        raise ValueError(text)
    return cast(ClockMode, text.lower())


def _on_off(text: str) -> bool:
    if text.lower() not in ("on", "off"):
        raise ValueError(text)
    return text.lower() == "on"


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError(text)
    return int(text)
