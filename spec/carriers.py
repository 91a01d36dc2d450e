"""Reference model of edge.md: what is read of deadlines, B3 and baggage."""
import re
from typing import NamedTuple

BAGGAGE_BYTES_MAX = 8192
BAGGAGE_MEMBERS_MAX = 64
GRPC_UNITS = {"H": 3_600_000, "M": 60_000, "S": 1000, "m": 1, "u": 1 / 1000, "n": 1 / 1_000_000}
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_VALUE = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_BLANKS = r"[ \t]*"
_PROPERTY = f"{_TOKEN}(?:{_BLANKS}={_BLANKS}{_VALUE})?"
_MEMBER = re.compile(f"({_TOKEN}){_BLANKS}={_BLANKS}({_VALUE})((?:{_BLANKS};{_BLANKS}{_PROPERTY})*)")


class Dropped(Exception):
    """Something is dropped, for this reason."""


def _blankless(value):
    return value.strip(" \t")


def read_timeout(own, grpc):
    """Milliseconds left, by the fields `towline-timeout` and `grpc-timeout`; None where there is no limit."""
    fields, pattern = (own, "[0-9]{1,8}") if own else (grpc, "[0-9]{1,8}[HMSmun]")
    if not fields:
        return None
    value = _blankless(fields[0])
    if len(fields) > 1 or not re.fullmatch(pattern, value, re.ASCII):
        raise Dropped("malformed")
    if own:
        milliseconds = int(value)
    else:
        # Exact: 8 digits of the smallest unit are far below 2⁵³.
        number, unit = int(value[:-1]), GRPC_UNITS[value[-1]]
        milliseconds = number * unit if unit >= 1 else number // round(1 / unit)
    if own and milliseconds == 0:
        raise Dropped("malformed")
    return milliseconds


class B3(NamedTuple):
    """Ids of 32 and 16 digits, None where only the decision came; sampled None where nothing was said."""

    trace_id: str | None
    span_id: str | None
    sampled: bool | None


_SAMPLED = {"1": True, "d": True, "true": True, "0": False, "false": False}


def _b3(trace, span, sampled):
    if not re.fullmatch("[0-9a-f]{16}|[0-9a-f]{32}", trace, re.ASCII) or not re.fullmatch("[0-9a-f]{16}", span, re.ASCII):
        raise Dropped("b3_malformed")
    if not trace.strip("0") or not span.strip("0"):
        raise Dropped("b3_malformed")
    return B3(trace.rjust(32, "0"), span, sampled)


def read_b3(single, multi):
    """`single`: the fields `b3`. `multi`: the fields of X-B3-TraceId, -SpanId, -Sampled, -Flags, by lower-case name."""
    if single:
        if len(single) > 1 or "," in single[0]:
            raise Dropped("b3_malformed")
        parts = _blankless(single[0]).split("-")
        if len(parts) == 1:
            if parts[0] not in ("0", "1", "d"):
                raise Dropped("b3_malformed")
            return B3(None, None, _SAMPLED[parts[0]])
        if len(parts) > 4 or (len(parts) > 2 and parts[2] not in ("0", "1", "d")):
            raise Dropped("b3_malformed")
        if len(parts) == 4 and not re.fullmatch("[0-9a-f]{16}", parts[3], re.ASCII):
            raise Dropped("b3_malformed")
        return _b3(parts[0], parts[1], _SAMPLED[parts[2]] if len(parts) > 2 else None)
    names = ("x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags")
    fields = [multi.get(name, []) for name in names]
    if not any(fields):
        return None
    if any(len(values) > 1 for values in fields):
        raise Dropped("b3_malformed")
    trace, span, sampled, flags = (_blankless(values[0]) if values else None for values in fields)
    if (sampled is not None and sampled not in ("0", "1", "true", "false")) or flags not in (None, "0", "1"):
        raise Dropped("b3_malformed")
    decision = True if flags == "1" else None if sampled is None else _SAMPLED[sampled]
    if trace is None and span is None:
        return B3(None, None, decision)
    return _b3(trace or "", span or "", decision)


def read_baggage(fields):
    """The text that is passed on, and its members as (key, value), percent-decoded; ("", []) where there is none."""
    whole = ",".join(fields)
    if len(whole.encode("utf-8", "surrogateescape")) > BAGGAGE_BYTES_MAX:
        raise Dropped("too_long")
    members = [member for member in map(_blankless, whole.split(",")) if member]
    if len(members) > BAGGAGE_MEMBERS_MAX:
        raise Dropped("too_many_members")
    pairs = []
    for member in members:
        match = _MEMBER.fullmatch(member)
        if not match:
            raise Dropped("malformed")
        pairs.append((match[1], _decoded(match[2])))
    return ",".join(members), pairs


def _decoded(value):
    """Percent-decoded; what is no escape stays, what is no UTF-8 becomes U+FFFD."""
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), value.encode())
    return raw.decode("utf-8", "replace")
