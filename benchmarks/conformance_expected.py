"""The tests of `transitions` that a machine of ours is expected to fail, and why.

Every entry names a rule. `conformance.py` fails when a test fails that is not listed, when a
listed one passes, and when the list grows past `LIMIT`.
"""

from __future__ import annotations

LIMIT = 0.05
"""The largest share of the tests run that may be expected to differ."""

FLOOR = 600
"""The fewest tests that a run must have had with a machine of ours."""

FILES = (
    "test_core.py",
    "test_nesting.py",
    "test_parallel.py",
    "test_reuse.py",
    "test_enum.py",
    "test_states.py",
    "test_add_remove.py",
    "test_experimental.py",
    "test_markup.py",
)
"""Core and nested machine, with what is built on them.

Not the asynchronous and the locked machines, which have no sister here, and not the files
about pictures: how a chart looks is ours.
"""

NEEDS_DOT = frozenset(("test_ordered_with_graph",))
"""Tests that run the program ``dot``; they are skipped where it is not installed."""

RULES = {
    "R1": "a machine makes states of its own class, and their repr says so",
    "R2": "ours is a GraphMachine, which takes show_auto_transitions and not the keyword "
    "auto_transitions_markup of MarkupMachine",
}

_REPR = ("R1", "expects the text <State('A')@...>; ours is <SettleState('A')@...>")
_MARKUP = ("R2", "passes auto_transitions_markup=True, which any GraphMachine ignores")

EXPECTED = {
    "test_core.py::TestTransitions::test_repr": _REPR,
    "test_nesting.py::TestNestedTransitions::test_repr": _REPR,
    "test_parallel.py::TestParallel::test_repr": _REPR,
    "test_parallel.py::TestParallelWithPyGraphviz::test_repr": _REPR,
    "test_parallel.py::TestParallelWithGraphviz::test_repr": _REPR,
    "test_markup.py::TestMarkupMachine::test_auto_transitions": _MARKUP,
    "test_markup.py::TestMarkupHierarchicalMachine::test_auto_transitions": _MARKUP,
    "test_markup.py::TestMarkupMachineEnum::test_auto_transitions": _MARKUP,
}
"""From the test to its rule and to what differs."""
