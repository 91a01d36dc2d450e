"""Clocks whose labels say nothing to strangers (edge.md, "Safe by default"). Labels are no part of any order."""

from __future__ import annotations

import functools
import hashlib

from towline._labels import unquote


def hashed(text: str) -> str:
    """A clock's text, each label replaced by the first 8 hex digits of its SHA-256."""
    head, *members = text.split(", ")
    return ", ".join([head, *map(_hashed_member, members)])


def _hashed_member(member: str) -> str:
    component, slash, rest = member.partition("/")
    return _hashed_component(component) + slash + rest


@functools.lru_cache(maxsize=1024)
def _hashed_component(component: str) -> str:
    service, _, instance = component.partition("#")
    return f"{digest(unquote(service))}#{digest(unquote(instance))}"


def digest(label: str) -> str:
    """What stands for a label."""
    return hashlib.sha256(label.encode("utf-8", "replace")).hexdigest()[:8]
