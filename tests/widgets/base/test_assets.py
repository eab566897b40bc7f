"""The scripts and styles of the panels: small, whole, and without what they may not do."""

from __future__ import annotations

import json
import re
import subprocess
import sysconfig
from collections import Counter
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import playwright
import pytest

import settlesim.view
import settlesim.widgets
from settlesim.view.svg.palette import PALETTES, contrast
from settlesim.widgets.base.assets import asset, script, style

STATIC = Path(settlesim.view.__file__).parent / "static"
SCRIPTS = sorted(path.name for path in STATIC.glob("*.js"))
STYLES = sorted(path.name for path in STATIC.glob("*.css"))
ROOT = Path(__file__).parents[3]
OXLINT = str(Path(sysconfig.get_path("scripts")) / "oxlint")
NODE = Path(playwright.__file__).parent / "driver" / "node"
"""Playwright brings one along."""

FORBIDDEN = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment",
    r"\beval\b|new Function|\bimport\s*\(|^import\b",
    r"\bfetch\b|XMLHttpRequest|WebSocket|EventSource|sendBeacon|localStorage",
    r"https?://(?!www\.w3\.org/2000/svg)",
    r"\b(debugger|console)\b|\balert\(|\bvar ",
)
TIMERS = r"\b(setTimeout|setInterval|requestAnimationFrame)\b"


def panels() -> list[Any]:
    """Return every class of panel."""
    found = [getattr(settlesim.widgets, name) for name in settlesim.widgets.__all__]
    return [each for each in found if hasattr(each, "scripts")]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_does_nothing_that_it_may_not(name: str) -> None:
    """No markup from text, no code from text, no network."""
    text = re.sub(r"/\*.*?\*/|(?<!\S)//[^\n]*", "", asset(name), flags=re.DOTALL)
    for pattern in FORBIDDEN:
        found = re.search(pattern, text, re.MULTILINE)
        assert found is None, found


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name != "base.js"])
def test_timers_are_those_that_end_with_the_view(name: str) -> None:
    """Only `Life` starts one."""
    assert re.search(TIMERS, asset(name)) is None


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_small(name: str) -> None:
    """As a module of Python is."""
    assert asset(name).count("\n") <= 450


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel.__name__)
def test_the_module_of_a_panel_is_whole(panel: Any, tmp_path: Path) -> None:
    """It is one module that parses, with one export and every name defined once."""
    text = script(*panel.scripts)
    target = tmp_path / "panel.mjs"
    target.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [str(NODE), "--check", str(target)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^export ", text, re.MULTILINE)) == 1
    assert style(panel.kind, *panel.styles)


def findings(folder: Path) -> list[tuple[str, str, str]]:
    """Return file, rule and message of all that the linter finds."""
    done = subprocess.run(
        [OXLINT, "-c", str(ROOT / ".oxlintrc.json"), "--format", "json", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    return [
        (Path(each["filename"]).name, each["code"], each["message"])
        for each in json.loads(done.stdout)["diagnostics"]
    ]


def test_the_linter_finds_nothing(tmp_path: Path) -> None:
    """Each panel is linted as the one module that a browser gets."""
    modules = {f"{panel.__name__}.mjs": script(*panel.scripts) for panel in panels()}
    for name, text in modules.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = findings(tmp_path)
    unused = Counter(message for _, rule, message in found if rule == "eslint(no-unused-vars)")
    for message, count in unused.items():  # what the panels share may serve only some of them
        [name] = re.findall(r"'(\w+)'", message)
        assert count < sum(re.search(rf"\b{name}\b", text) is not None for text in modules.values())
    assert [each for each in found if each[2] not in unused] == []


def test_the_linter_finds_what_is_wrong(tmp_path: Path) -> None:
    """A name that nobody defined, a variable that nobody reads, a loose comparison."""
    (tmp_path / "wrong.mjs").write_text("const a = 1;\nexport default { b: c == 1 };\n")
    assert sorted(rule for _, rule, _ in findings(tmp_path)) == [
        "eslint(eqeqeq)", "eslint(no-undef)", "eslint(no-unused-vars)",
    ]  # fmt: skip


def test_every_file_belongs_to_a_panel() -> None:
    """Nothing is shipped that nobody loads."""
    used = {"base.js", "seat.js", "base.css"}
    for panel in panels():
        used |= {*panel.scripts, *panel.styles}
    assert used == {*SCRIPTS, *STYLES}


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel.__name__)
def test_the_style_of_a_panel_is_for_its_own_kind(panel: Any) -> None:
    """All sheets are in one page: a rule of one panel that fits another's element spoils it."""
    assert f'panel("{panel.kind}"' in asset(panel.scripts[-1])
    text = re.sub(r"/\*.*?\*/", "", style(panel.kind, *panel.styles), flags=re.DOTALL)
    text = re.sub(r"@keyframes[^{]*\{.*?\}\s*\}|@(media|container)[^{]*\{", "", text)
    selectors = [each for rule in re.findall(r"([^{}]+)\{", text) for each in split(rule)]
    assert len(selectors) > 50
    assert [
        each for each in selectors if not each.startswith(f".settlesim-panel.{panel.kind}")
    ] == []


def split(rule: str) -> list[str]:
    """Return the selectors of a rule; a comma within brackets parts none."""
    return [each.strip() for each in re.split(r",(?![^(]*\))", rule)]


# --- colours ------------------------------------------------------------------------------


def variables(theme: str) -> dict[str, str]:
    """Return the colours of a theme, by name."""
    text = asset("base.css")
    start = ".settlesim-panel.dark {" if theme == "dark" else ".settlesim-panel {"
    block = text[text.index(start) :].partition("}")[0]
    return dict(re.findall(r"--ss-([a-z-]+): (#[0-9a-f]{6});", block))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_live_chart_has_the_colours_of_a_picture(theme: Any) -> None:
    """The palette is written twice, in Python and in the style sheet: they are the same."""
    palette = PALETTES[theme]
    found = variables(theme)
    for field in fields(palette):
        if field.name != "series":
            assert found[field.name.replace("_", "-")] == getattr(palette, field.name)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "below", "least"),
    [
        ("ink", "paper", 4.5),
        ("ink", "group", 4.5),
        ("ink", "field", 4.5),
        ("ink", "accent-fill", 4.5),
        ("quiet", "paper", 4.5),
        ("quiet", "group", 4.5),
        ("quiet", "accent-fill", 4.5),
        ("accent-ink", "accent", 4.5),
        ("rejected", "group", 4.5),
        ("rejected-ink", "rejected-fill", 4.5),
        ("active-text", "active-fill", 4.5),
        ("active-ink", "active", 4.5),
        ("accent", "paper", 4.5),
        ("accent", "group", 3.0),
        ("edge", "paper", 3.0),
        ("edge", "group", 3.0),
    ],
)
def test_what_stands_on_each_other_can_be_told_apart(
    theme: str, ink: str, below: str, least: float
) -> None:
    """Text 4.5 to 1, lines and outlines 3 to 1 (WCAG 2.1, 1.4.3 and 1.4.11)."""
    found = variables(theme)
    assert contrast(found[ink], found[below]) >= least


def test_a_name_that_is_no_panel_is_none() -> None:
    """The package loads panels when they are asked for, and nothing else."""
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        import_module("settlesim.widgets").Nothing  # noqa: B018
