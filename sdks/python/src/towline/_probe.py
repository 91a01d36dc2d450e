"""Hop records: what a service says of a request that asks (edge.md, "Probe")."""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from towline._context import Context

ASKED = "towline-probe"
HOPS = "towline-hops"
BYTES_MAX = 6000
"""Of a record, as text."""


class Probe:
    """A request that asks, and what is known of the calls that were made for it."""

    __slots__ = ("_bytes", "_calls", "_lock", "asked", "clock", "parent_id", "restarted")

    def __init__(self, asked: str, parent_id: str | None, restarted: str | None, clock: str) -> None:
        self.asked = asked
        """What calls pass on."""
        self.parent_id = parent_id
        """As received, also where it was not continued."""
        self.restarted = restarted
        self.clock = clock
        self._calls: list[str] = []
        self._bytes = 0
        self._lock = threading.Lock()

    def called(
        self,
        host: str,
        span_id: str,
        status: int | None,
        answer: Literal["joined", "lost"] | None,
        hops: Sequence[str],
    ) -> None:
        """The head of an answer came, or none will.

        Args:
            host: with its port.
            span_id: the attempt's client span.
            status: of the response.
            answer: what became of its clock.
            hops: the values of its `towline-hops` fields.
        """
        record = json.dumps({"host": host, "span_id": span_id, "status": status, "answer": answer})
        record = f'{record[:-1]}, "hops": {_record_of(hops)}}}'
        with self._lock:
            self._bytes += len(record) + 2
            if self._bytes <= BYTES_MAX:
                self._calls.append(record)

    def record(self, context: Context) -> str | None:
        """The record of the request that this context is of; none where even a short one is too long."""
        config = context.propagator.config
        own = {
            "service": config.service_name,
            "instance": config.instance,
            "trace_id": context.trace_id,
            "span_id": context.span_id,
            "parent_id": self.parent_id,
            "flags": f"{context.flags:02x}",
            "restarted": self.restarted,
            "clock": self.clock,
        }
        head = json.dumps(own)[:-1]
        with self._lock:
            whole = f'{head}, "calls": [{", ".join(self._calls)}]}}' if self._bytes <= BYTES_MAX else ""
        if whole and len(whole) <= BYTES_MAX:
            return whole
        cut = f'{head}, "calls": [], "cut": true}}'
        return cut if len(cut) <= BYTES_MAX else None


def may_ask(setting: str, values: Sequence[str], peer: str) -> bool:
    """Is a request to be told?

    Args:
        setting: `off`, `loopback`, or the token.
        values: those of its `towline-probe` fields.
        peer: its address; empty where it is not known.
    """
    if setting == "off" or len(values) != 1:
        return False
    value = values[0].strip(" \t")
    if setting == "loopback":
        return value == "1" and _is_loopback(peer)
    return hmac.compare_digest(value.encode("latin-1", "backslashreplace"), setting.encode())


def _is_loopback(peer: str) -> bool:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _record_of(values: Sequence[str]) -> str:
    """A callee's record, as it came; null where there is none that can be read."""
    if len(values) == 1 and len(values[0]) <= BYTES_MAX and values[0].isascii() and values[0].isprintable():
        try:
            if isinstance(json.loads(values[0], parse_constant=_refuse), dict):
                return values[0]
        except (ValueError, RecursionError):
            pass
    return "null"


def _refuse(name: str) -> None:
    raise ValueError(name)
