"""Writes a plain scenario in Promela, for the model checker Spin.

One process per message, one step per step of ours, so that Spin stores exactly as many
states as `settlesim.sim.explore` finds (without partial-order reduction: compile with
``-DNOREDUCE``). It is an independent check of our counts, not another way to run a
scenario: faults, protections, monitors and effects are refused.

References
----------
Holzmann, The Spin Model Checker, 2003.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from settlesim.engine.table import NodeKind
from settlesim.errors import SimulationError
from settlesim.sim.model import Model
from settlesim.sim.scenario import Faults, Scenario

__all__ = ["to_promela"]

_MAX_NODES: Final = 32_000  # a short of Promela has 16 bits
_MAX_PROCESSES: Final = 255  # of Spin
_MAX_WORK: Final = 200_000  # states of an instance, with the messages that led there


def to_promela(scenario: Scenario) -> str:
    """Return the scenario as the source text of a Promela model.

    Raises
    ------
    SimulationError
        The scenario is not plain, or too large for Spin.
    """
    _check_plain(scenario)
    model = Model(scenario)
    tables = _Tables(model)
    size = len(scenario.events)
    lines = [
        "/* states: store per instance; node: where a handler is in its program */",
        f"hidden short kind[{len(tables.kinds)}] = {_braces(tables.kinds)};",
        f"hidden short next[{len(tables.nexts)}] = {_braces(tables.nexts)};",
        f"short store[{len(model.instances)}];",
        f"bit deleted[{size}];",
        "byte busy;",
        "",
    ]
    for index in range(size):
        lines += _process(model, tables, index)
    return "\n".join(lines) + "\n"


def _check_plain(scenario: Scenario) -> None:
    reasons = {
        f"queue is {scenario.queue!r}, not 'standard' or 'fifo_group'": scenario.queue
        not in {"standard", "fifo_group"},
        "it has faults": scenario.faults != Faults(),
        "it has protections": bool(scenario.protections),
        "it has monitors": bool(scenario.monitors),
        "it has a limit of receives": scenario.max_receives is not None,
        f"it has {len(scenario.events)} events, a process each; Spin has {_MAX_PROCESSES}": (
            len(scenario.events) > _MAX_PROCESSES
        ),
    }
    for reason, holds in reasons.items():
        if holds:
            raise _refusal(reason)


def _refusal(reason: str) -> SimulationError:
    return SimulationError(where="to_promela", reason=f"only plain scenarios: {reason}")


class _Tables:
    """The programs that may run, as arrays: for each message, then for each node."""

    def __init__(self, model: Model) -> None:
        self.kinds: list[int] = []
        """0: a call; 1: a save; 2: a skip."""
        self.nexts: list[int] = []
        """The next node of a call, the state of a save."""
        self._model = model
        self._nodes: dict[int, int] = {}
        self._states: dict[int, int] = {}
        start = model.shared[model.start[model.size + 1]].state
        self._state(start)
        self.first: list[dict[int, int]] = [{} for _ in range(model.size)]
        """For each message, the first node by the state that is loaded."""
        for key in range(len(model.instances)):
            self._close(start, [i for i in range(model.size) if model.key_of[i] == key])

    def calls(self, index: int) -> int:
        """Return how many services run for a message; the same from every state."""
        lengths = set()
        for first in self.first[index].values():
            node, length = first, 0
            while not self.kinds[node]:
                node = self.nexts[node]
                length += 1
            lengths.add(length)
        if len(lengths) > 1:
            event = self._model.scenario.events[index].event
            raise _refusal(f"{event} runs more services in one state than in another")
        return lengths.pop()

    def _close(self, start: int, messages: list[int]) -> None:
        """Follow every sequence of different messages: more can not be in an instance."""
        seen = {(start, 0)}
        waiting = [(start, 0)]
        for state, used in waiting:  # grows while it is gone through
            for index in messages:
                if used >> index & 1:
                    continue
                event = self._model.scenario.events[index]
                node = self._model.table.program(state, event.event, event.data)
                self.first[index][self._state(state)] = self._node(node)
                after = (self._last(node, state), used | 1 << index)
                if after not in seen:
                    if len(seen) >= _MAX_WORK:
                        raise _refusal(f"its events lead to more than {_MAX_WORK} situations")
                    seen.add(after)
                    waiting.append(after)

    def _last(self, node: int, state: int) -> int:
        leaf = self._model.table.node(node)
        while leaf.kind is NodeKind.CALL:
            leaf = self._model.table.node(leaf.done)
        return leaf.state if leaf.kind is NodeKind.SAVE else state

    def _state(self, state: int) -> int:
        number = self._states.setdefault(state, len(self._states))
        if number >= _MAX_NODES:
            raise _refusal(f"its instances have more than {_MAX_NODES} states")
        return number

    def _node(self, number: int) -> int:
        found = self._nodes.get(number)
        if found is not None:
            return found
        node = self._model.table.node(number)
        if node.kind is NodeKind.ERROR:
            raise _refusal(f"an event comes to no settled node ({node.text})")
        if node.effect:
            raise _refusal(f"service {node.service!r} has an effect outside")
        if node.kind is NodeKind.CALL:
            kind, after = 0, self._node(node.done)
        elif node.kind is NodeKind.SAVE:
            kind, after = 1, self._state(node.state)
        else:
            kind, after = 2, 0
        if len(self.kinds) >= _MAX_NODES:
            raise _refusal(f"its programs have more than {_MAX_NODES} nodes")
        self.kinds.append(kind)
        self.nexts.append(after)
        found = self._nodes[number] = len(self.kinds) - 1
        return found


def _process(model: Model, tables: _Tables, index: int) -> list[str]:
    scenario = model.scenario
    key = model.key_of[index]
    first = tables.first[index]
    guard = f"busy < {scenario.workers}"
    if scenario.queue == "fifo_group":
        earlier = [other for other in range(index) if model.key_of[other] == key]
        guard += "".join(f" && deleted[{other}]" for other in earlier)
    size = max(first) + 1
    chosen = [first.get(state, 0) for state in range(size)]
    return [
        f"hidden short first{index}[{size}] = {_braces(chosen)};",
        f"active proctype message{index}() {{",
        "  short node;",
        f"  d_step {{ {guard} -> busy++ }};",
        f"  node = first{index}[store[{key}]];",
        *["  node = next[node];"] * tables.calls(index),
        "  d_step {",
        f"    if :: kind[node] == 1 -> store[{key}] = next[node] :: else fi;",
        "    node = 0",
        "  };",
        f"  d_step {{ busy--; deleted[{index}] = 1 }};",
        "end: false",
        "}",
        "",
    ]


def _braces(numbers: Sequence[int]) -> str:
    return "{ " + ", ".join(map(str, numbers)) + " }"
