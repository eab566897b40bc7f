"""Whatever stands in a document: a chart or a clear error, and never anything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from settlesim import import_chart
from settlesim.errors import SettlesimError
from tests.examples import scaled

pytest.importorskip("defusedxml")

_XSTATE = [
    "id",
    "initial",
    "states",
    "on",
    "always",
    "after",
    "onDone",
    "invoke",
    "entry",
    "exit",
    "type",
    "history",
    "target",
    "tags",
    "guard",
    "cond",
    "actions",
    "src",
    "input",
    "onError",
    "internal",
    "reenter",
    "in",
    "a",
    "b",
    "100",
    "guards",
    "params",
    "delay",
    "event",
    "final",
    "parallel",
    "and",
    "not",
    "or",
    "stateIn",
    "state",
    "xstate.after.1.m",
    "*",
    "#a",
    ".a",
    "#m.a",
    "done.invoke.x",
]
_ASL = [
    "StartAt",
    "States",
    "Type",
    "Next",
    "End",
    "Default",
    "Choices",
    "Variable",
    "NumericEquals",
    "And",
    "Or",
    "Not",
    "Condition",
    "Task",
    "Pass",
    "Choice",
    "Wait",
    "Succeed",
    "Fail",
    "Parallel",
    "Map",
    "Branches",
    "Resource",
    "Catch",
    "Retry",
    "ErrorEquals",
    "MaxAttempts",
    "Seconds",
    "Parameters",
    "FunctionName",
    "a",
    "b",
    "IsNull",
    "TimeoutSeconds",
]
_SISMIC = [
    *(
        [
            "name",
            "type",
            "initial",
            "memory",
            "states",
            "transitions",
            "target",
            "event",
            "guard",
            "action",
            "contract",
            "a",
            "b",
        ]
    ),
    *("parallel states", "on entry", "shallow history", "final", "after(3)", "active('a')"),
]
_PARTS = [
    '<state id="a">',
    '<state id="b">',
    "</state>",
    "<parallel>",
    "</parallel>",
    '<transition event="E F.*" target="a"/>',
    '<transition target="b a" type="internal"/>',
    '<history id="h"/>',
    '<initial><transition target="b"/></initial>',
    "<invoke/>",
    '<onentry><send event="E" delay="1s"/></onentry>',
    '<transition event="done.state.a" target="h"/>',
    '<transition event="error"/>',
    "<transition cond=\"In('a')\"/>",
    '<final id="f"/>',
    '<datamodel><data id="x" expr="["/></datamodel>',
]


def _values(words: list[str]) -> st.SearchStrategy[Any]:
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(-2, 5)
        | st.sampled_from([1e308, 0.5, 10**400])
        | st.sampled_from([*words, "", "\ud800", "x" * 300])
    )
    return st.recursive(
        scalars,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(words), inner, max_size=5)
        ),
        max_leaves=20,
    )


def _states(words: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    inside = st.dictionaries(st.sampled_from(words), _values(words), max_size=5)
    return st.dictionaries(st.sampled_from(words), inside, min_size=1, max_size=4)


def _end(document: Any) -> None:
    """Read a document: what is said of it can be printed, and nothing else is raised."""
    try:
        str(import_chart(document)).encode()
    except SettlesimError as error:
        str(error).encode()


@settings(max_examples=scaled(30))
@given(st.dictionaries(st.sampled_from(_XSTATE), _values(_XSTATE), max_size=4), _states(_XSTATE))
def test_any_configuration_of_xstate(record: dict[str, Any], states: dict[str, Any]) -> None:
    """Its keys with values of any kind."""
    _end({**record, "states": states})


@settings(max_examples=scaled(30))
@given(_states(_ASL), st.sampled_from(_ASL))
def test_any_state_machine_of_step_functions(states: dict[str, Any], start: str) -> None:
    """Its keys with values of any kind."""
    _end({"StartAt": start, "States": states})


@settings(max_examples=scaled(30))
@given(_values(_SISMIC))
def test_any_statechart_of_sismic(root: Any) -> None:
    """Its keys with values of any kind."""
    _end({"statechart": {"root state": root}})


@settings(max_examples=scaled(30))
@given(st.text(alphabet='ab -[]*>:;{}\n"#/`<', max_size=80))
def test_any_lines_of_mermaid(text: str) -> None:
    """Its signs in any order."""
    _end(f"stateDiagram-v2\n{text}")


@settings(max_examples=scaled(30))
@given(st.lists(st.sampled_from(_PARTS), max_size=12))
def test_any_elements_of_scxml(parts: list[str]) -> None:
    """Open, closed or not."""
    _end(f'<scxml xmlns="http://www.w3.org/2005/07/scxml">{"".join(parts)}</scxml>')
