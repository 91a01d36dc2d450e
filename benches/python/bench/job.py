"""What a variant is: work that was checked, and can be done over and over."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Job(NamedTuple):
    """One variant."""

    check: Callable[[], None]
    """Raises `WrongOutputError` where the variant does not do its job."""
    prepare: Callable[[], Callable[[], None]]
    """Gives one pass, which is timed; what it does before that is not."""
    count: int
    """How many operations a pass has."""
    passes: int
    """How many of them are a round."""


class WrongOutputError(Exception):
    """A variant did not do its job."""


def expect(name: str, got: object, wanted: object) -> None:
    """Raises `WrongOutputError` where the two differ."""
    if got != wanted:
        raise WrongOutputError(f"{name} is {got!r}, not {wanted!r}")


def expect_child(name: str, traceparent: str | None, trace_id: str, parent_id: str) -> None:
    """Is it of this trace, and of a new span?"""
    parts = (traceparent or "").split("-")
    if len(parts) != 4 or parts[1] != trace_id or len(parts[2]) != 16 or parts[2] == parent_id:
        raise WrongOutputError(f"{name} is {traceparent!r}, not a new span of {trace_id}")
