"""What clients have in common: the fields of an attempt, and what the next one for the same request has to know."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import lru_cache
from typing import NamedTuple

from towline._baggage import BAGGAGE
from towline._call import Call
from towline._context import HEADER_NAMES
from towline._probe import ASKED


class Mark(NamedTuple):
    """An attempt that went before, for the same request."""

    host: str
    resend_count: int
    """How many went before it."""
    more: tuple[str, ...]
    """The fields that it wrote beside those in `HEADER_NAMES`."""


@lru_cache(maxsize=128)
def _plain(host: str, resend_count: int) -> Mark:
    return Mark(host, resend_count, ())


def resend_count(before: Mark | None) -> int:
    """How many attempts went before the one after this."""
    return 0 if before is None else before.resend_count + 1


def write_attempt(headers: MutableMapping[str, str], call: Call, before: Mark | None) -> Mark:
    """Writes the fields of an attempt into a request's headers, and takes out those of the one before.

    Args:
        headers: of the request; names in any case.
        call: the attempt.
        before: the one that went before, whose headers these may be.
    """
    fields = call.headers
    for name in HEADER_NAMES:
        value = fields.get(name)
        if value is not None:
            headers[name] = value
        elif name in headers:
            del headers[name]
    if call.asks_nothing and ASKED in headers:
        del headers[ASKED]
    if before is None and not call.more:
        return _plain(call.host, call.resend_count)
    if before is not None:
        for name in before.more:
            headers.pop(name, None)
        if before.host != call.host and not call.inside:
            headers.pop(BAGGAGE, None)  # what the application set was for another host
    more = tuple(name for name in call.more if name != BAGGAGE or BAGGAGE not in headers)
    for name in more:
        headers[name] = fields[name]
    return Mark(call.host, call.resend_count, more)
