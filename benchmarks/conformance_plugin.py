"""A pytest plugin that replaces the machines of `transitions` by those of `settlesim`.

`conformance.py` loads it into a run of the test suite of `transitions`. Names are replaced in
the globals of the **test** modules. The library itself stays as it is: its classes call
``super(HierarchicalMachine, self)``, which would find our class instead.

`SettleMachine` takes part as it is. `NestedSettleMachine` joins names by a dot, and many tests
of `transitions` spell out ``C_1``, so there are three casts, chosen by ``CONFORMANCE_CAST``:

* ``underscore``: `NestedSettleMachine`, with only the separator of its state class changed. This
  run counts.
* ``dot``: `NestedSettleMachine` itself.
* ``control``: the nested machine of `transitions`, with a dot. A test that fails in ``dot`` but
  not here shows a difference of ours; one that fails in both fails because of the dot.

Every machine that is built is counted, to show which tests had one of ours.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from transitions import core
from transitions.extensions import diagrams, factory, markup, nesting

from benchmarks.conformance_expected import NEEDS_DOT
from settlesim.machine.machine import (
    NestedSettleMachine,
    NestedSettleState,
    SettleMachine,
    SettleState,
)


class UnderscoreState(NestedSettleState):
    """A `NestedSettleState` that differs in the separator only."""

    separator = "_"


class UnderscoreMachine(NestedSettleMachine):
    """A `NestedSettleMachine` that differs in the separator only."""

    state_cls = UnderscoreState


class ControlState(nesting.NestedState):
    """The nested state of `transitions`, with a dot."""

    separator = "."


class ControlMachine(nesting.HierarchicalMachine):
    """The nested machine of `transitions`, with a dot."""

    state_cls = ControlState


class ControlMarkupMachine(markup.HierarchicalMarkupMachine):
    """The nested markup machine of `transitions`, with a dot."""

    state_cls = ControlState


class ControlGraphMachine(diagrams.HierarchicalGraphMachine):
    """The nested graph machine of `transitions`, with a dot."""

    state_cls = ControlState


def _cast(cast: str) -> dict[type, type]:
    """Return the replacement of each class."""
    if cast == "control":
        return {
            nesting.NestedState: ControlState,
            nesting.HierarchicalMachine: ControlMachine,
            markup.HierarchicalMarkupMachine: ControlMarkupMachine,
            diagrams.HierarchicalGraphMachine: ControlGraphMachine,
        }
    machine, state = {
        "underscore": (UnderscoreMachine, UnderscoreState),
        "dot": (NestedSettleMachine, NestedSettleState),
    }[cast]
    return {
        core.Machine: SettleMachine,
        core.State: SettleState,
        markup.MarkupMachine: SettleMachine,
        diagrams.GraphMachine: SettleMachine,
        nesting.HierarchicalMachine: machine,
        nesting.NestedState: state,
        markup.HierarchicalMarkupMachine: machine,
        diagrams.HierarchicalGraphMachine: machine,
    }


REPLACED = _cast(os.environ.get("CONFORMANCE_CAST", "underscore"))
SEPARATORS = {
    state: state.separator
    for state in (nesting.NestedState, NestedSettleState, UnderscoreState, ControlState)
}


class Report:
    """What happened: the outcome of every test, and the machines that it built."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.outcomes: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self.machines: Counter[str] = Counter()
        self.ours: Counter[str] = Counter()
        self.left_out = 0
        self.current = ""

    def count(self, machine: object) -> None:
        """Count a machine that is being built."""
        kinds = (SettleMachine, NestedSettleMachine)
        kind = next((each.__name__ for each in kinds if isinstance(machine, each)), "")
        self.machines[kind or "another machine"] += 1
        if kind:
            self.ours[self.current] += 1

    def write(self) -> None:
        """Write the report where `conformance.py` looks for it."""
        names = ("outcomes", "reasons", "machines", "ours", "left_out")
        self.path.write_text(json.dumps({name: getattr(self, name) for name in names}), "utf-8")


report = Report(Path(os.environ.get("CONFORMANCE_REPORT", "report.json")))


def _count_machines() -> None:
    build = core.Machine.__init__

    @functools.wraps(build)
    def counted(self: core.Machine, *args: Any, **kwargs: Any) -> None:
        report.count(self)
        build(self, *args, **kwargs)

    core.Machine.__init__ = counted  # type: ignore[method-assign]


def _replace_in(module: ModuleType) -> None:
    for name, value in list(vars(module).items()):
        if not isinstance(value, type):
            continue
        if value in REPLACED:
            setattr(module, name, REPLACED[value])
        elif value.__module__ == module.__name__:
            _replace_in_class(value)


def _replace_in_class(found: type) -> None:
    """Replace the bases, the ``machine_cls`` and the default arguments of a class of a test."""
    if any(base in REPLACED for base in found.__bases__):
        found.__bases__ = tuple(REPLACED.get(base, base) for base in found.__bases__)
    machine = vars(found).get("machine_cls")
    if isinstance(machine, type) and machine in REPLACED:
        found.machine_cls = REPLACED[machine]  # type: ignore[attr-defined]
    build = vars(found).get("__init__")
    defaults = getattr(build, "__defaults__", None)
    if defaults:
        build.__defaults__ = tuple(  # type: ignore[union-attr]
            REPLACED.get(each, each) if isinstance(each, type) else each for each in defaults
        )


def _is_wanted(item: pytest.Item) -> bool:
    """Leave out tests that are collected twice, and those of machines without a counterpart here.

    A test module imports the base classes of its tests, and pytest collects them again.
    """
    if not isinstance(item, pytest.Function) or item.cls is None:
        return True
    return item.cls.__module__ == item.module.__name__ and "Locked" not in item.cls.__name__


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take the tests that are wanted, and replace the machines in their modules."""
    wanted = [item for item in items if _is_wanted(item)]
    report.left_out = len(items) - len(wanted)
    items[:] = wanted
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "tests":
            _replace_in(module)
    factory._CLASS_MAP = {
        key: REPLACED.get(machine, machine) for key, machine in factory._CLASS_MAP.items()
    }
    _count_machines()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Reset the separators, which a test may change; skip a test whose program is missing."""
    report.current = item.nodeid.removeprefix("tests/")
    for state, separator in SEPARATORS.items():
        state.separator = separator
    if item.name in NEEDS_DOT and shutil.which("dot") is None:
        pytest.skip("the program dot of Graphviz is not installed")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the outcome: a test has failed if any of its phases has."""
    _record(report)


def _record(phase: pytest.TestReport) -> None:
    outcomes = report.outcomes
    if phase.failed:
        outcomes[phase.nodeid] = "failed"
        crash = getattr(phase.longrepr, "reprcrash", None)
        report.reasons[phase.nodeid] = str(getattr(crash, "message", phase.longrepr))
    elif phase.skipped and phase.nodeid not in outcomes:
        outcomes[phase.nodeid] = "skipped"
        reason = phase.longrepr[-1] if isinstance(phase.longrepr, tuple) else phase.longrepr
        report.reasons[phase.nodeid] = str(reason).removeprefix("Skipped: ")
    elif phase.when == "call":
        outcomes.setdefault(phase.nodeid, "passed")


def pytest_sessionfinish() -> None:
    """Write the report."""
    report.write()
