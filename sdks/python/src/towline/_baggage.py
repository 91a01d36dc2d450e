"""Baggage: what an application has said to be carried along (edge.md; W3C Baggage; pinned by `carriers.json`)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from towline._errors import RefusedError

BAGGAGE = "baggage"
BYTES_MAX = 8192
MEMBERS_MAX = 64

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def read_baggage(fields: Sequence[str]) -> str:
    """The text that is passed on: the members as they came, without the blanks around them; empty for none.

    Args:
        fields: the values of all fields of that name, in order.

    Raises:
        RefusedError: all of it is dropped: `too_long`, `too_many_members` or `malformed`.
    """
    whole = ",".join(fields)
    if len(whole) > BYTES_MAX or (not whole.isascii() and len(whole.encode("utf-8", "surrogateescape")) > BYTES_MAX):
        raise RefusedError("too_long", f"baggage has more than {BYTES_MAX} bytes")
    members = [member for part in whole.split(",") if (member := part.strip(" \t"))]
    if len(members) > MEMBERS_MAX:
        raise RefusedError("too_many_members", f"baggage has {len(members)} members, the limit is {MEMBERS_MAX}")
    for member in members:
        if not _is_member(member):
            raise RefusedError("malformed", "a member of the baggage is malformed")
    return ",".join(members)


def read_members(text: str) -> list[tuple[str, str]]:
    """The members of a text that `read_baggage` gave: key and value, percent-decoded, without properties."""
    pairs = []
    for member in text.split(",") if text else ():
        key, _, value = member.partition(";")[0].partition("=")
        pairs.append((key.rstrip(" \t"), _decoded(value.strip(" \t"))))
    return pairs


def _is_member(member: str) -> bool:
    # A value holds no semicolon, and a token neither that nor an equals sign.
    pair, *properties = member.split(";")
    return "=" in pair and _is_pair(pair.rstrip(" \t")) and all(_is_property(p.strip(" \t")) for p in properties)


def _is_property(text: str) -> bool:
    return _is_pair(text) if "=" in text else _TOKEN.fullmatch(text) is not None


def _is_pair(text: str) -> bool:
    key, _, value = text.partition("=")
    return _TOKEN.fullmatch(key.rstrip(" \t")) is not None and _VALUE.fullmatch(value.lstrip(" \t")) is not None


def _decoded(value: str) -> str:
    """What is no escape stays, what is no UTF-8 becomes U+FFFD."""
    raw = _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), value.encode())
    return raw.decode("utf-8", "replace")
