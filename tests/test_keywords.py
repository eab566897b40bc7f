"""mypy knows every keyword of the public API, and refuses it if it is misspelt."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from typing import Any

import pytest

from settlesim import display, view, widgets
from settlesim.gallery import order
from settlesim.sim import Scenario, compare
from settlesim.sim.scenario_options import ScenarioChanges

ROOT = Path(__file__).parent.parent

PACKAGES = [
    "settlesim",
    "settlesim.chart",
    "settlesim.check",
    "settlesim.engines",
    "settlesim.formats",
    "settlesim.gallery",
    "settlesim.machine",
    "settlesim.ports",
    "settlesim.progress",
    "settlesim.runtime",
    "settlesim.settling",
    "settlesim.sim",
    "settlesim.store",
    "settlesim.versions",
    "settlesim.view",
    "settlesim.widgets",
]

FOREIGN = {"SettleMachine", "NestedSettleMachine"}
"""They take whatever a ``GraphMachine`` of `transitions` takes."""
OWN = {"show"}
"""Methods that only the class itself calls: a panel sets the parts that its kind has."""

HEAD = """\
# mypy: disable-error-code="func-returns-value,unused-coroutine,no-untyped-call"
from typing import Any
from settlesim import Chart
"""


RIGHT_CHARTS = [
    'Chart(["a", {"name": "b", "tags": ["settled"]}], [["GO", "a", "b"]], "a")',
    'Chart([{"name": "a", "tags": "settled", "after": {10: "b", 2.5: None}}], (), "a")',
    'Chart([{"name": "a", "children": ["x", {"name": "y", "final": True}], "initial": "x"}])',
    'Chart([{"name": "a", "invoke": {"src": "work", "on_done": [{"dest": "b", "unless": "no"}]}}])',
    'Chart([{"name": "a", "invoke": {"src": "work", "retry": {"attempts": 3, "jitter": 0.5}}}])',
    'Chart(["a"], [{"trigger": "GO", "source": "a", "dest": None, "assign": ["count"]}], "a")',
    'Chart(["a"], [{"source": ["a"], "dest": "=", "conditions": print, "internal": False}], "a")',
    'Chart(["a"]).replace(states=[{"name": "a", "on_enter": "note"}])',
]
WRONG_CHARTS = [
    'Chart([{"name": "a", "tag": ["settled"]}])',
    'Chart([{"tags": ["settled"]}])',
    'Chart([{"name": "a", "children": [{"name": "x", "finial": True}]}])',
    'Chart([{"name": "a", "invoke": {"src": "work", "ondone": "b"}}])',
    'Chart([{"name": "a", "invoke": {"src": "work", "retry": {"attemps": 3}}}])',
    'Chart([{"name": "a", "invoke": {"src": "work", "on_done": {"target": "b"}}}])',
    'Chart([{"name": "a", "after": {10: {"dset": "b"}}}])',
    'Chart([{"name": "a", "always": {"dest": "b", "guard": "ok"}}])',
    'Chart([{"name": "a", "history": "shalow"}])',
    'Chart(["a"], [{"event": "GO", "source": "a", "dest": "a"}])',
    'Chart(["a"], [{"trigger": "GO", "source": "a"}])',
    'Chart(["a"], [{"trigger": "GO", "source": "a", "dest": "a", "action": "count"}])',
    'Chart(["a"]).replace(transitions=[{"trigger": "GO", "from": "a", "dest": "a"}])',
]


@dataclass(frozen=True)
class Call:
    """A call of a public function, class or method with some of its keywords."""

    module: str
    name: str
    """The name of a function or a class, or of a class and its method."""
    of_instance: bool
    needed: int
    """How many arguments have no default and no keyword."""
    keywords: tuple[str, ...]

    def source(self, *keywords: str) -> str:
        """Return one line that calls it."""
        class_name, _, method = self.name.rpartition(".")
        function = f"value.{method}" if self.of_instance else f"{self.module}.{self.name}"
        kind = f"{self.module}.{class_name}" if self.of_instance else "Any"
        arguments = ["given"] * self.needed + [f"{each}=given" for each in keywords]
        return f"def _(given: Any, value: {kind}) -> None: {function}({', '.join(arguments)})"


def public_calls() -> Iterator[Call]:
    """Every public function, class and method that takes a keyword."""
    seen: set[object] = set()
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if not callable(value) or value in seen or name in FOREIGN:
                continue
            seen.add(value)
            if inspect.isfunction(value):
                yield from call_of(package, name, value)
            elif inspect.isclass(value) and not issubclass(value, Exception):
                yield from calls_of_class(package, name, value)


def calls_of_class(package: str, name: str, value: type) -> Iterator[Call]:
    if not getattr(value, "_is_protocol", False) and "__init__" in vars(value):
        yield from call_of(package, name, value)
    # A panel is a widget: the methods that it inherits from ipywidgets are not ours.
    ours = [each for each in value.__mro__ if each.__module__.startswith("settlesim")]
    for method in sorted({name for each in ours for name in vars(each)}):
        found = getattr(value, method)
        if method.startswith(("_", "on_")) or method in OWN:
            continue
        if inspect.isfunction(found) or inspect.ismethod(found):
            static = inspect.ismethod(found) or isinstance(vars(value).get(method), staticmethod)
            yield from call_of(package, f"{name}.{method}", found, of_instance=not static)


def call_of(
    module: str, name: str, value: Callable[..., Any], *, of_instance: bool = False
) -> Iterator[Call]:
    parameters = list(inspect.signature(value).parameters.values())[1 if of_instance else 0 :]
    plain = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [each for each in parameters if each.kind in plain and each.default is each.empty]
    keywords = [
        each.name
        for each in parameters
        if each not in needed
        and each.kind in (plain[1], inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    ]
    if keywords:
        yield Call(module, name, of_instance, len(needed), tuple(keywords))


def misspelt(name: str) -> str:
    """Return a name without the letter in its middle.

    A suffix is added instead if the name is short, or would become a keyword of Python, as
    "width" would.
    """
    middle = len(name) // 2
    shorter = name[:middle] + name[middle + 1 :]
    return shorter if len(name) > 3 and not iskeyword(shorter) else f"{name}_x"


def mypy_errors(path: Path) -> dict[int, str]:
    """What mypy says of the file, by line."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    found: dict[int, str] = {}
    for line in done.stdout.splitlines():
        match = re.match(r".*?calls\.py:(\d+): error: (.*)", line)
        if match is not None:
            found[int(match[1])] = found.get(int(match[1]), "") + match[2]
    return found


def test_mypy_knows_every_keyword_of_the_public_api(tmp_path: Path) -> None:
    """With all keywords right a call is right; with one of them misspelt it is an error."""
    calls = list(public_calls())
    assert len(calls) > 100
    lines = [*HEAD.splitlines(), *(f"import {each}" for each in PACKAGES)]
    right, wrong = {}, {}
    for call in calls:
        lines.append(call.source(*call.keywords))
        right[len(lines)] = call
        for keyword in call.keywords:
            lines.append(call.source(*(each for each in call.keywords if each != keyword),
                                     misspelt(keyword)))  # fmt: skip
            wrong[len(lines)] = f"{call.name}({misspelt(keyword)}=...)"
    charts = [*RIGHT_CHARTS, *WRONG_CHARTS]
    literals = dict(enumerate(charts, len(lines) + 1))
    path = tmp_path / "calls.py"
    path.write_text("\n".join([*lines, *charts]))
    errors = mypy_errors(path)
    assert [each for line, each in literals.items() if line in errors] == WRONG_CHARTS
    assert {call.name: errors[line] for line, call in right.items() if line in errors} == {}
    refused = re.compile("Unexpected keyword argument|No overload variant")
    accepted = [name for line, name in wrong.items() if not refused.search(errors.get(line, ""))]
    assert accepted == []
    assert len(wrong) > 400


def found_by(call: Call) -> Any:
    found: Any = importlib.import_module(call.module)
    for name in call.name.split("."):
        found = getattr(found, name)
    return found


TAKES_OPTIONS = [call for call in public_calls() if hasattr(found_by(call), "__signature__")]


@pytest.mark.parametrize("call", TAKES_OPTIONS, ids=lambda call: call.name)
def test_every_option_stands_in_the_docstring(call: Call) -> None:
    """Also where the options are those of another picture."""
    text = inspect.getdoc(found_by(call)) or ""
    assert [each for each in call.keywords if not re.search(rf"\b{each}\b", text)] == []


@pytest.mark.parametrize(
    ("options", "function"),
    [
        (display.ChartPictureOptions, view.draw),
        (display.EndingsOptions, view.outcomes),
        (display.EndingsOptions, view.draw_comparison),
        (display.PictureOptions, view.grid),
        (display.ReplayOptions, view.lanes),
        (display.ChartPanelOptions, widgets.ChartPanel),
        (display.StepPanelOptions, widgets.StepPanel),
        (ScenarioChanges, Scenario),
    ],
)
def test_options_are_the_keywords_of_what_takes_them(
    options: type, function: Callable[..., Any]
) -> None:
    """None is missing, none is too many, and what is passed on is what is taken."""
    parameters = list(inspect.signature(function).parameters.values())
    given = {"value", "target"} | ({"chart"} if function is widgets.ChartPanel else set())
    assert set(options.__annotations__) == {each.name for each in parameters} - given


def test_an_unknown_option_is_an_error_with_the_nearest_name() -> None:
    """When it runs, too, and before anything is drawn."""
    with pytest.raises(TypeError, match="did you mean 'configuration'"):
        order.draw(confguration="paid")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"Chart.panel\(\) has no option 'sped'; .*'speed'"):
        order.panel(sped=2.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"compare\(\) has no option 'wrokers'; .*'workers'"):
        compare(order, ["PAY"], wrokers=2)  # type: ignore[call-arg]


def test_help_and_completion_see_every_option() -> None:
    """The signature names them, as it does arguments that are written out."""
    names = set(inspect.signature(order.draw).parameters)
    assert names == {"target", *display.ChartPictureOptions.__annotations__}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("configuration", "configration"), ("at", "at_x"), ("path", "pah"), ("width", "width_x")],
)
def test_a_misspelt_name_is_another_one(name: str, expected: str) -> None:
    """Also a short one."""
    assert misspelt(name) == expected
