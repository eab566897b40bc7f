"""The shape of the package: layers, sizes, and a test module for every room."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "settlesim"
MODULES = sorted(PACKAGE.rglob("*.py"))

LONG = 900
"""Lines of a module from which a reader should ask whether it is two."""
MAX_FUNCTION_LINES = 60


def test_imports_only_go_down() -> None:
    """The contracts in pyproject.toml hold."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(lint)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_stay_small(path: Path, finding: Callable[[object], None]) -> None:
    """No function is longer than a reader can hold in mind; of a long module is told."""
    text = path.read_text(encoding="utf-8")
    if (lines := text.count("\n")) > LONG:
        finding(f"{path.relative_to(PACKAGE)} has {lines} lines: is it two modules?")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            body = node.body
            if ast.get_docstring(node) is not None:
                body = body[1:]
            lines = node.end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= MAX_FUNCTION_LINES, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_library_reads_no_clock_and_throws_no_dice(path: Path) -> None:
    """Only clock, lock and renderer have to do with time, only `sample` and a race with dice."""
    allowed = {
        "runtime/clock.py",
        "store/database.py",
        "store/wall.py",
        "view/render.py",
        "view/child.py",
    }
    names = {
        alias.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    found = names & {"random", "secrets", "uuid", "time", "datetime"}
    if str(path.relative_to(PACKAGE)) in allowed:
        found -= {"time"}
    if str(path.relative_to(PACKAGE)) in {"sim/sampling.py", "widgets/race_panel.py"}:
        found -= {"random"}  # the caller gives the seed
    assert not found


def test_importing_the_library_draws_nothing_and_starts_no_jupyter() -> None:
    """``import settlesim`` loads neither Jupyter, nor click, nor a renderer."""
    heavy = {
        "IPython", "jupyterlab", "ipywidgets", "anywidget", "click", "pygraphviz", "resvg_py",
    }  # fmt: skip
    script = f"import sys, settlesim; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
