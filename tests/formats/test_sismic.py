"""Statecharts of sismic come in with their structure; their code does not."""

from __future__ import annotations

import pytest

from settlesim import import_chart
from settlesim.errors import DefinitionError, ReadError
from tests.formats.lines import edge_lines, state_lines

pytest.importorskip("yaml")

ELEVATOR = """
statechart:
  name: elevator
  description: goes up and down
  preamble: current = 0
  root state:
    name: active
    parallel states:
      - name: moving
        initial: still
        states:
          - name: still
            transitions:
              - event: call
                target: up
                guard: active('open')
              - guard: after(10)
                target: up
          - name: up
            on entry: current += 1
            transitions:
              - target: still
                guard: not active('open')
              - target: back
                event: x
                guard: current > 5
                action: current = 0
          - name: back
            type: shallow history
            memory: still
      - name: door
        initial: open
        states:
          - name: open
            transitions:
              - event: close
                target: shut
                priority: high
          - name: shut
            type: final
            contract:
              - before: current == 0
"""


def test_a_statechart_comes_in_with_its_structure() -> None:
    """Regions, history, delays and guards that ask for a state; the rest is named."""
    found = import_chart(ELEVATOR, settled=())
    assert found.chart.name == "elevator"
    assert state_lines(found.chart) == [
        "active parallel",
        "active.moving compound -> active.moving.still",
        "active.moving.still",
        "active.moving.up",
        "active.moving.back history",
        "active.door compound -> active.door.open",
        "active.door.open",
        "active.door.shut final",
    ]
    assert edge_lines(found.chart) == [
        "active.moving.up -[not In(active.door.open)]-> active.moving.still",
        "active.moving.still -call[In(active.door.open)]-> active.moving.up",
        "active.moving.up -x[current > 5]-> active.moving.back",
        "active.door.open -close-> active.door.shut",
        "active.moving.still -after.active.moving.still.0-> active.moving.up",
    ]
    assert {loss.kind: len(loss.places) for loss in found.losses} == {
        "script": 3,
        "contract": 1,
        "priority": 1,
        "expression": 1,
        "description": 1,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("statechart:\n  name: x\n  root state: 5", "root state: is 5; a mapping is needed"),
        (
            "statechart:\n  root state:\n    name: r\n    transitions:\n    - target: x\n",
            "r target: unknown state 'x'",
        ),
        (
            "statechart:\n  root state:\n    name: r\n    states: [5]\n",
            "5 is no state: a mapping with a name is needed",
        ),
        ("statechart:\n  root state:\n    name: r\n    type: odd\n", "unknown type 'odd'"),
    ],
)
def test_a_statechart_that_is_wrong_is_refused_with_the_place(text: str, words: str) -> None:
    """As any other chart is."""
    with pytest.raises(DefinitionError) as caught:
        import_chart(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("statechart:\n  a: &a [1]\n  b: *a\n", "has an alias (*a) in line 3"),
        ("statechart:\n  - [\n", "no YAML"),
        ("statechart: !!python/object:os.system x\n", "no YAML"),
        ("statechart:\n  x: 2001-99-99\n", "no YAML"),
    ],
)
def test_yaml_that_is_none_is_refused(text: str, words: str) -> None:
    """Aliases too: a few of them can stand for gigabytes."""
    with pytest.raises(ReadError) as caught:
        import_chart(text)
    assert words in caught.value.reason
