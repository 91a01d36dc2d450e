"""B3, the headers of Zipkin, read and written where a setting names them (edge.md; pinned by `carriers.json`)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from towline._errors import RefusedError

SINGLE = "b3"
MULTI = ("x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags")
NAMES = (SINGLE, *MULTI)

_TRACE_ID = re.compile("[0-9a-f]{16}|[0-9a-f]{32}")
_SPAN_ID = re.compile("[0-9a-f]{16}")
_SINGLE_SAMPLED = {"1": True, "d": True, "0": False}
_MULTI_SAMPLED = {"1": True, "true": True, "0": False, "false": False}


class B3(NamedTuple):
    """What B3 said."""

    trace_id: str | None
    """32 hex digits; none where only the decision came."""
    span_id: str | None
    """16 hex digits; none where only the decision came."""
    sampled: bool | None
    """None where nothing was said."""


def read_b3(fields: Mapping[str, Sequence[str]]) -> B3 | None:
    """Reads the fields of `NAMES`; none where there are none. The single form counts where both are there.

    Args:
        fields: the values of all fields, by lower-case name; others are not looked at.

    Raises:
        RefusedError: `b3_malformed`.
    """
    single = fields.get(SINGLE)
    if single:
        return _read_single(_only(single))
    multi = [fields.get(name) for name in MULTI]
    if not any(multi):
        return None
    trace, span, sampled, flags = (_only(values) if values else None for values in multi)
    if flags not in (None, "0", "1") or not (sampled is None or sampled in _MULTI_SAMPLED):
        raise _malformed()
    decision = True if flags == "1" else None if sampled is None else _MULTI_SAMPLED[sampled]
    if trace is None and span is None:
        return B3(None, None, decision)
    return _checked(trace or "", span or "", decision)


def b3_fields(propagators: Sequence[str], trace_id: str, span_id: str, sampled: int) -> dict[str, str]:
    """The fields to send, in the forms that the setting names.

    Args:
        propagators: the words of the setting.
        trace_id: 32 hex digits.
        span_id: of the attempt's client span.
        sampled: 0 or 1.
    """
    fields = {}
    if "b3" in propagators:
        fields[SINGLE] = f"{trace_id}-{span_id}-{sampled}"
    if "b3multi" in propagators:
        fields |= {"x-b3-traceid": trace_id, "x-b3-spanid": span_id, "x-b3-sampled": str(sampled)}
    return fields


def _read_single(text: str) -> B3:
    parts = text.split("-")
    if len(parts) == 1:
        if text not in _SINGLE_SAMPLED:
            raise _malformed()
        return B3(None, None, _SINGLE_SAMPLED[text])
    trace, span, *rest = parts
    if len(rest) > 2 or (rest and rest[0] not in _SINGLE_SAMPLED) or (rest[1:] and not _SPAN_ID.fullmatch(rest[1])):
        raise _malformed()
    return _checked(trace, span, _SINGLE_SAMPLED[rest[0]] if rest else None)


def _checked(trace: str, span: str, sampled: bool | None) -> B3:
    if not (_TRACE_ID.fullmatch(trace) and _SPAN_ID.fullmatch(span) and trace.strip("0") and span.strip("0")):
        raise _malformed()
    return B3(trace.rjust(32, "0"), span, sampled)


def _only(values: Sequence[str]) -> str:
    if len(values) > 1 or "," in values[0]:
        raise _malformed()
    return values[0].strip(" \t")


def _malformed() -> RefusedError:
    return RefusedError("b3_malformed", "B3 is malformed")
