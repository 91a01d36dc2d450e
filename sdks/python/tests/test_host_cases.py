"""Every case of `spec/cases/hosts.json`."""

import json
from pathlib import Path
from typing import Any

import pytest

from towline import Config

CASES = json.loads((Path(__file__).parents[3] / "spec/cases/hosts.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['propagate_to']!r} {case['host']!r}")
def test_clocks_go_where_every_port_lets_them_go(case: dict[str, Any]) -> None:
    entries = [entry for entry in case["propagate_to"].split(",") if entry]
    config = Config(propagate_to=entries, environ={})
    assert config.propagate_to.allows(case["host"]) is case["allowed"]
