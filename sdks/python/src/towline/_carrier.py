"""Headers of messages, in the forms that brokers' clients give them (edge.md, "Messages")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence
from typing import Any, Protocol, TypeVar, runtime_checkable

V = TypeVar("V", str, bytes)


@runtime_checkable
class HeaderCarrier(Protocol):
    """Headers that are got and set by name. What is not there is none; where there are several of one name, a list."""

    def get(self, name: str, /) -> Any:
        """The value of a name."""

    def set(self, name: str, value: str, /) -> object:
        """Sets a value, in place of those that were there."""


Pairs = Iterable[tuple[str, str]] | Iterable[tuple[str, bytes]] | Iterable[tuple[str, str | bytes]]
Carrier = Mapping[str, str] | Mapping[str, bytes] | Mapping[str, Any] | HeaderCarrier | Pairs
"""What is read: a map, a list of pairs, or what has `get` and `set`. Names are looked for in any case, values are text
or bytes of UTF-8."""

MutableCarrier = (
    MutableMapping[str, str]
    | MutableMapping[str, bytes]
    | MutableMapping[str, Any]
    | MutableSequence[tuple[str, str]]
    | MutableSequence[tuple[str, bytes]]
    | MutableSequence[tuple[str, str | bytes]]
    | HeaderCarrier
)
"""What is written to."""


def values_of(carrier: Carrier | None, name: str) -> list[str]:
    """The values of a name, in order.

    Args:
        carrier: none where a message has no headers.
        name: in lower case.
    """
    if carrier is None:
        return []
    if isinstance(carrier, Mapping):
        found = [value for key, value in carrier.items() if _is_named(key, name)]
    elif isinstance(carrier, HeaderCarrier):
        found = [carrier.get(name)]
    else:
        found = [pair[1] for pair in carrier if _is_named(pair[0], name)]
    listed = [value for values in found for value in (values if isinstance(values, (list, tuple)) else [values])]
    return [_text(value) for value in listed if value is not None]


def write_fields(carrier: MutableCarrier, fields: Mapping[str, str], names: Iterable[str]) -> None:
    """Puts fields into a carrier, in place of those of `names` that are there.

    A map gets bytes if it holds nothing but bytes, else text; a list of pairs gets text if it holds nothing but text
    (and something), else bytes, as Kafka's clients want them.
    """
    ours = set(names)
    if isinstance(carrier, MutableMapping):
        fields_map: MutableMapping[Any, Any] = carrier
        for key in [key for key in fields_map if isinstance(key, str) and key.lower() in ours]:
            del fields_map[key]
        encode = bool(fields_map) and all(isinstance(value, bytes) for value in fields_map.values())
        fields_map.update({name: value.encode() if encode else value for name, value in fields.items()})
    elif isinstance(carrier, MutableSequence):
        pairs: MutableSequence[Any] = carrier
        kept = [pair for pair in pairs if not (isinstance(pair[0], str) and pair[0].lower() in ours)]
        encode = not kept or not all(isinstance(pair[1], str) for pair in kept)
        pairs[:] = kept + [(name, value.encode() if encode else value) for name, value in fields.items()]
    else:
        for name, value in fields.items():
            carrier.set(name, value)


def _is_named(key: object, name: str) -> bool:
    if isinstance(key, bytes):
        key = key.decode("latin-1")
    return isinstance(key, str) and key.lower() == name


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, (bytes, bytearray)) else str(value)
