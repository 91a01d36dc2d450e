"""What a browser has to be told, so that it sends and shows our headers to a page of another origin."""

from __future__ import annotations

from typing import NamedTuple

from towline._context import CLOCK, HEADER_NAMES
from towline._probe import HOPS
from towline._propagator import Propagator, default


class CorsHeaders(NamedTuple):
    """Names for two fields of the answer to a preflight request, and to the request itself."""

    allow: list[str]
    """For `Access-Control-Allow-Headers`."""
    expose: list[str]
    """For `Access-Control-Expose-Headers`."""


def cors_headers(propagator: Propagator | None = None) -> CorsHeaders:
    """The header fields that a page may send, and see, with these settings: for any CORS middleware.

    Args:
        propagator: its settings; default: `towline.default()`.

    Example:
        >>> cors_headers().allow[:3]
        ['traceparent', 'tracestate', 'raceway-clock']
    """
    reads = (propagator or default()).reads
    return CorsHeaders([*HEADER_NAMES, *reads], [CLOCK, HOPS, "traceresponse", "server-timing"])
