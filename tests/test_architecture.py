"""The structure of the package: layers, import cycles, unique names and sizes."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import NamedTuple

import grimp
import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "settlesim"
MODULES = sorted(PACKAGE.rglob("*.py"))

LONG = 900
"""A reader should ask of a module with more lines whether it is two."""
MAX_FUNCTION_LINES = 60


class Source(NamedTuple):
    """What the tests ask of a module."""

    lines: int
    definitions: list[str]
    """Classes and functions of the module itself."""
    functions: list[tuple[str, int]]
    """All functions, with the lines of their bodies."""
    imports: set[str]
    """What ``import`` statements name."""


@functools.cache
def source(path: Path) -> Source:
    """Parse a module once for all tests, without keeping its tree."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    found = Source(text.count("\n"), [], [], set())
    for each in tree.body:
        if isinstance(each, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.definitions.append(each.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.imports.update(alias.name for alias in node.names)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno is not None
            body = node.body
            if ast.get_docstring(node) is not None:
                body = body[1:]
            lines = node.end_lineno - body[0].lineno + 1 if body else 0
            found.functions.append((node.name, lines))
    return found


def test_imports_only_go_down() -> None:
    """The contracts in pyproject.toml hold."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [str(lint)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def circles(graph: Mapping[str, Set[str]]) -> list[list[str]]:
    """Return the sets of modules that import each other, even indirectly (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            part = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(part) > 1:
                found.append(sorted(part))

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return found


@pytest.mark.parametrize("types_too", [False, True])
def test_no_modules_import_each_other(types_too: bool) -> None:
    """Not by late imports either, nor between packages for the sake of types."""
    graph = grimp.build_graph(
        "settlesim", exclude_type_checking_imports=not types_too, cache_dir=None
    )
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 100
    if types_too:  # only `display` may import types from higher layers
        imports["settlesim.display"] = set()
    found = circles(imports)
    if types_too:  # within one package a value and its parts may import each other's types
        found = [part for part in found if len({each.rpartition(".")[0] for each in part}) > 1]
    assert found == []


def test_display_imports_nothing_of_ours_when_it_runs() -> None:
    """What it knows of the layers above are their types."""
    graph = grimp.build_graph("settlesim", exclude_type_checking_imports=True, cache_dir=None)
    assert graph.find_modules_directly_imported_by("settlesim.display") == set()


def test_circles_are_found() -> None:
    """The search bites."""
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_no_two_classes_or_functions_share_a_name() -> None:
    """Whoever searches for a name finds one definition."""
    homes: dict[str, list[str]] = {}
    for path in MODULES:
        for name in source(path).definitions:
            homes.setdefault(name, []).append(str(path.relative_to(PACKAGE)))
    shared = {
        name: places
        for name, places in homes.items()
        if len(places) > 1 and not name.startswith("_")
    }
    assert shared == {}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_stay_small(path: Path, finding: Callable[[object], None]) -> None:
    """No function is longer than a reader can hold in mind; of a long module is told."""
    if (lines := source(path).lines) > LONG:
        finding(f"{path.relative_to(PACKAGE)} has {lines} lines: is it two modules?")
    for name, lines in source(path).functions:
        assert lines <= MAX_FUNCTION_LINES, f"{name} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_library_reads_no_clock_and_throws_no_dice(path: Path) -> None:
    """Only clock, lock and renderer have to do with time, only `sample` and a race with dice."""
    allowed = {
        "runtime/clock.py",
        "store/database.py",
        "store/wall.py",
        "view/graphviz/render.py",
        "view/graphviz/process.py",
    }
    found = source(path).imports & {"random", "secrets", "uuid", "time", "datetime"}
    if str(path.relative_to(PACKAGE)) in allowed:
        found -= {"time"}
    if str(path.relative_to(PACKAGE)) in {"sim/sampling.py", "widgets/race/race_panel.py"}:
        found -= {"random"}  # the caller gives the seed
    if str(path.relative_to(PACKAGE)) == "engines/event_ids.py":
        found -= {"uuid"}  # an event whose sender gave no id
    if str(path.relative_to(PACKAGE)) == "widgets/base/front.py":
        found -= {"uuid"}  # the id by which a page finds a panel
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
