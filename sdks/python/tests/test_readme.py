"""What the READMEs show is run, and the examples in doc comments are true."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import towline

FOLDER = Path(__file__).parents[1]
ROOT = FOLDER.parents[1]


def snippets(path: Path, fence: str) -> list[str]:
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [match[1] for match in re.finditer(fence + r"\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


OWN = snippets(FOLDER / "README.md", "^```python")
SHARED = snippets(ROOT / "README.md", r"^<!-- run: python -->\n```\w*")


def test_the_readme_has_snippets() -> None:
    assert len(OWN) > 8


@pytest.mark.parametrize("code", OWN + SHARED, ids=lambda code: code.strip().splitlines()[-1][:40])
def test_a_snippet_runs(code: str) -> None:
    before = towline.default()
    try:
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    finally:
        towline.set_default(before)


MODULES = [module.name for module in pkgutil.walk_packages(towline.__path__, "towline.")]


@pytest.mark.parametrize("name", ["towline", *MODULES])
def test_examples_in_doc_comments_are_true(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0


def test_every_public_name_has_a_doc_comment() -> None:
    for name in towline.__all__:
        assert getattr(towline, name).__doc__ or isinstance(getattr(towline, name), tuple), name
