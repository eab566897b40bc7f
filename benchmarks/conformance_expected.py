"""The tests of `transitions` that a machine of ours is expected to fail, and why.

Every entry names a rule. `conformance.py` fails if a test fails that is not listed, if a listed
one passes, or if the list grows past `LIMIT`.
"""

from __future__ import annotations

LIMIT = 0.05
"""The largest share of the tests run that may be expected to differ."""

FLOOR = 600
"""The least number of tests that have to run with a machine of ours."""

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
"""The tests of the core and nested machines, and of what is built on them.

Left out are the asynchronous and the locked machines, which have no counterpart here, and the
tests of pictures, since settlesim draws its own.
"""

NEEDS_DOT = frozenset(("test_ordered_with_graph",))
"""Tests that run the program ``dot``; they are skipped if it is not installed."""

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
"""The rule of each test, and what differs."""
