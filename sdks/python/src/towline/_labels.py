"""Service and instance names as they stand in a clock (strand-clocks.md, "Wire form")."""

from __future__ import annotations

import re

from towline._errors import ClockError

SAFE = r"A-Za-z0-9!$&'*+\-.^_`|~"
"""What stands for itself: RFC 9110 token characters other than `%` and `#`, as the inside of a character class."""

_UNSAFE = re.compile(f"[^{SAFE}]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_ESCAPED = re.compile(f"(?:[{SAFE}]|%[0-9A-F]{{2}})*")


def quote(label: str) -> str:
    """The label as text, percent-encoded; control characters (and halves of surrogate pairs) become `_`."""
    cleaned = _CONTROL.sub("_", label).encode("utf-8", "replace").decode()
    return _UNSAFE.sub(lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), cleaned)


def unquote(text: str) -> str:
    """The label that `text` stands for.

    Raises:
        ClockError: an escape that is not two upper-case hex digits, text that is not UTF-8, a control character.
    """
    if "%" not in text:
        return text
    if not _ESCAPED.fullmatch(text):
        raise ClockError("malformed", "bad percent escape")
    raw = bytearray()
    for i, part in enumerate(text.split("%")):
        raw += part.encode() if i == 0 else bytes.fromhex(part[:2]) + part[2:].encode()
    try:
        label = raw.decode()
    except UnicodeDecodeError:
        raise ClockError("malformed", "label is not UTF-8") from None
    if _CONTROL.search(label):
        raise ClockError("malformed", "control character in label")
    return label


def component(service: str, instance: str) -> str:
    """`service#instance` as it stands in a clock; an empty service is written `_`."""
    return f"{quote(service) or '_'}#{quote(instance)}"
