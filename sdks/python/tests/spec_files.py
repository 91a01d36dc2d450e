"""The shared specification: its vectors, and its reference models as oracles."""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

SPEC = Path(__file__).parents[3] / "spec"
VECTORS = Path(os.environ.get("TOWLINE_VECTORS") or SPEC / "vectors")
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def vectors(name: str) -> Any:
    path = VECTORS / f"{name}.json"
    assert path.is_file(), f"the vectors {path} are missing"
    return json.loads(path.read_text(encoding="utf-8"))


def model(name: str) -> Any:
    """A module of the specification: `strand_clock`, `trace_context` or `simulate`."""
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, str(SPEC))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(SPEC))
        sys.dont_write_bytecode = written
