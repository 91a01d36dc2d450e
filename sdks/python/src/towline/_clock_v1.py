"""The clock that came before strands: one counter for each service (strand-clocks.md, "v1"; `clock-v1.json`)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from towline._clock import Order
from towline._errors import ClockV1Error
from towline._reader import TICK_MAX

COMPONENTS_MAX = 256
LEVELS_MAX = 32

_HEADER = re.compile("v1;([A-Za-z0-9_-]+)")
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\Z)', re.DOTALL)
_BRACKETS = re.compile(r"[\[{]\s*[\]}]|[\[{]|[\]}]")


class ClockV1:
    """A vector of counters, `service#instance` to a number from 0 to 2^31 - 1, at most 256 of them. Immutable.

    Every order that it gives is *per service*: it cannot tell concurrent handlers of one service apart.

    Example:
        >>> ClockV1({"web#1": 1}).send("shop#1").vector
        mappingproxy({'web#1': 1, 'shop#1': 1})
    """

    __slots__ = ("vector",)

    def __init__(self, vector: Mapping[str, int] = MappingProxyType({})) -> None:
        self.vector: Mapping[str, int] = MappingProxyType(dict(vector))

    @classmethod
    def read(cls, header: str, trace_id: str, header_bytes_max: int = 4096) -> ClockV1:
        """Reads a header's value.

        Args:
            header: at most `header_bytes_max` characters, blanks around it included.
            trace_id: that of `traceparent`, 32 hex digits.
            header_bytes_max: the limit.

        Raises:
            ClockV1Error: `too_long`, `version`, `other_trace`, `malformed` or `over_limits`.
        """
        if len(header) > header_bytes_max:
            raise ClockV1Error("too_long", f"clock has {len(header)} bytes, the limit is {header_bytes_max}")
        text = header.strip(" \t")
        if not text.startswith("v1;"):
            raise ClockV1Error("version", "clock is not of version v1")
        payload = _read_payload(text)
        came = payload.get("trace_id") if isinstance(payload, dict) else None
        if not isinstance(came, str) or not _UUID.fullmatch(came):
            raise ClockV1Error("malformed", "clock is not an object with a trace id in UUID form")
        if came.replace("-", "") != trace_id:
            raise ClockV1Error("other_trace", "clock is of another trace")
        return cls(_read_vector(payload.get("clock")))

    def send(self, own: str) -> ClockV1:
        """The vector on the next call: own component raised by one, the others as they came.

        Raises:
            ClockV1Error: `over_limits` for what `read` would refuse.
        """
        raised = {**self.vector, own: self.vector.get(own, 0) + 1}
        if raised[own] > TICK_MAX or len(raised) > COMPONENTS_MAX:
            raise ClockV1Error("over_limits", "clock is over the limits of v1")
        return ClockV1(raised)

    def write(self, *, trace_id: str, span_id: str, parent_span_id: str, service: str, instance: str) -> str:
        """The header's value.

        Args:
            trace_id: 32 hex digits.
            span_id: the call's client span, which v1 gives to the callee.
            parent_span_id: the caller's own span.
            service: of the caller.
            instance: of the caller.
        """
        t = trace_id
        payload = {
            "trace_id": f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}",
            "span_id": span_id,
            "parent_span_id": parent_span_id,
            "service": service,
            "instance": instance,
            "clock": list(self.vector.items()),
        }
        text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
        return "v1;" + base64.urlsafe_b64encode(text).decode().rstrip("=")

    def compare(self, other: ClockV1) -> Order:
        """How this vector stands to another one, per service."""
        below = all(other.vector.get(c, 0) >= n for c, n in self.vector.items())
        above = all(self.vector.get(c, 0) >= n for c, n in other.vector.items())
        if below and above:
            return Order.EQUAL
        return Order.BEFORE if below else Order.AFTER if above else Order.CONCURRENT

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClockV1) and self.vector == other.vector

    def __hash__(self) -> int:
        return hash(frozenset(self.vector.items()))

    def __repr__(self) -> str:
        return f"ClockV1({dict(self.vector)!r})"


def _read_payload(text: str) -> Any:
    match = _HEADER.fullmatch(text)
    if not match:
        raise ClockV1Error("malformed", "clock is not base64url")
    try:
        raw = base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))
        text = raw.decode()
        if base64.urlsafe_b64encode(raw).decode().rstrip("=") != match[1] or _levels(text) > LEVELS_MAX:
            raise ClockV1Error("malformed", "clock has stray bits, or too many levels")
        payload = json.loads(text, parse_constant=_refuse, parse_int=_number, parse_float=_number)
        json.dumps(payload, ensure_ascii=False).encode()  # fails for halves of surrogate pairs
    except ClockV1Error:
        raise
    except ValueError:
        raise ClockV1Error("malformed", "clock is not base64url of JSON") from None
    return payload


def _levels(text: str) -> int:
    """How deep JSON nests, so that the reader is not asked to recurse for a stranger. A scalar inside counts one."""
    if text.count("[") + text.count("{") < LEVELS_MAX:
        return 0
    deepest = level = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub('"', text)):
        if bracket in ("]", "}"):
            level -= 1
        elif len(bracket) == 1:
            level += 1
            deepest = max(deepest, level + 1)  # what it holds is a level
        else:
            deepest = max(deepest, level + 1)
    return deepest


def _refuse(name: str) -> None:
    raise ValueError(name)


def _number(text: str) -> int | float:
    if abs(float(text)) == float("inf"):
        raise ValueError("not a finite double")
    if not text.lstrip("-").isdigit():
        return float(text)
    return int(text) if text != "-0" else -1  # as a double it is not the whole number 0


def _read_vector(entries: Any) -> dict[str, int]:
    if not isinstance(entries, list):
        raise ClockV1Error("malformed", "clock is not a list")
    if len(entries) > COMPONENTS_MAX:
        raise ClockV1Error("over_limits", f"clock has {len(entries)} entries, the limit is {COMPONENTS_MAX}")
    vector: dict[str, int] = {}
    for entry in entries:
        match entry:
            case [str(name), int(count)] if type(count) is int:
                if count > TICK_MAX:
                    raise ClockV1Error("over_limits", "count above 2^31-1")
                if count < 0 or name in vector or not name or _CONTROL.search(name):
                    raise ClockV1Error("malformed", "bad component")
                vector[name] = count
            case _:
                raise ClockV1Error("malformed", "an entry is not a name and a whole number")
    return vector
