"""The scripts of the live page: linted, whole, and without markup or code from text."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import settlesim.http
from settlesim.http.live_page import page_script, page_style
from tests.widgets.base.test_assets import NODE, findings

STATIC = Path(settlesim.http.__file__).parent / "static"
SCRIPTS = sorted(path.name for path in STATIC.glob("*.js"))
FORBIDDEN = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment",
    r"\beval\b|new Function|\bimport\s*\(|^import\b",
    r"XMLHttpRequest|WebSocket|sendBeacon|localStorage|https?://",
    r"\b(debugger|console)\b|\balert\(|\bvar ",
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_makes_no_markup_or_code_from_text(name: str) -> None:
    """And it asks nobody but its own server."""
    text = (STATIC / name).read_text(encoding="utf-8")
    assert text.count("\n") <= 450
    for pattern in FORBIDDEN:
        assert re.search(pattern, text, re.MULTILINE) is None, pattern


def test_the_module_parses_and_the_linter_finds_nothing(tmp_path: Path) -> None:
    """As the one module that a browser gets; what the panels share may be unused here."""
    target = tmp_path / "page.mjs"
    target.write_text(page_script(), encoding="utf-8")
    done = subprocess.run(
        [str(NODE), "--check", str(target)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    own = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)
    found = [
        (rule, message)
        for _, rule, message in findings(tmp_path)
        if rule != "eslint(no-unused-vars)" or _defines(own, re.findall(r"'(\w+)'", message)[0])
    ]
    assert found == []


def _defines(text: str, name: str) -> bool:
    return re.search(rf"\b(function|class|const|let) {name}\b", text) is not None


def test_the_style_sheet_is_the_panels_and_the_pages() -> None:
    """One palette for both."""
    assert ".settlesim-panel.dark" in page_style()
    assert ".live-page table.instances" in page_style()
