"""Lists of hosts: where clocks may go (trace-context.md, "Out"; api.md, "Settings")."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_NETWORKS = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
    "169.254.0.0/16",
    "fe80::/10",
)
_SUFFIXES = ("local", "internal", "svc", "cluster.local")
_REMEMBERED_MAX = 1024
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class HostList:
    """Host suffixes, addresses, CIDR blocks, or `*` for all. Asking is a dictionary look-up for hosts seen before.

    Args:
        entries: `example.com` fits itself and all names below it.
        internal: add what is inside a network by default: loopback, private and link-local addresses, names of one
            label and below `.local`, `.internal`, `.svc`, `.cluster.local`.

    Raises:
        ValueError: an entry that is none of these.
    """

    __slots__ = ("_all", "_internal", "_networks", "_remembered", "_suffixes", "entries")

    def __init__(self, entries: Iterable[str], *, internal: bool = False) -> None:
        self._internal = internal
        self._all = False
        self._networks: list[Network] = [ipaddress.ip_network(n) for n in _NETWORKS] if internal else []
        self._suffixes: list[str] = list(_SUFFIXES) if internal else []
        self._remembered: dict[str, bool] = {}
        self.entries = [entry.strip().lower() for entry in entries]
        """As they were given, in lower case."""
        for entry in self.entries:
            self._add(entry)

    def _add(self, entry: str) -> None:
        if entry == "*":
            self._all = True
            return
        try:
            self._networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
        except ValueError:
            name = entry.lstrip(".").rstrip(".")
            if not _NAME.fullmatch(name):
                raise ValueError(f"not a host suffix, address, CIDR block or *: {entry!r}") from None
            self._suffixes.append(name)

    def allows(self, host: str) -> bool:
        """Is this host on the list?

        Args:
            host: a name or an address; case, a port, a trailing dot and brackets do not matter.
        """
        allowed = self._remembered.get(host)
        if allowed is None:
            allowed = self._decide(host)
            if len(self._remembered) >= _REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[host] = allowed
        return allowed

    def _decide(self, host: str) -> bool:
        if self._all:
            return True
        name = _name_of(host)
        try:
            address: Address = ipaddress.ip_address(name.partition("%")[0])
        except ValueError:
            return self._allows_name(name)
        if address.version == 6 and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)

    def _allows_name(self, name: str) -> bool:
        if not _NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
            return False  # a name whose last label is a number is an address in disguise
        if self._internal and ("." not in name or name == "localhost"):
            return True
        return any(name == suffix or name.endswith("." + suffix) for suffix in self._suffixes)


def _name_of(host: str) -> str:
    """The host of `name`, `name:port`, an address or `[address]:port`, in lower case."""
    if host.startswith("["):
        name = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        name = host.partition(":")[0]
    else:
        name = host
    return name.removesuffix(".").lower()


def host_of(url: str) -> str:
    """The host of an address, without its port; empty where it has none, or cannot be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
