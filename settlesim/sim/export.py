"""Writes a schedule as a test: source text that replays it and checks its ending."""

from __future__ import annotations

import re
from collections.abc import Sequence
from keyword import iskeyword
from typing import TYPE_CHECKING, Final

from settlesim.chart.strict_json import thaw
from settlesim.errors import SimulationError, shorten
from settlesim.sim.model import Model
from settlesim.sim.program_nodes import ProgramNodeKind
from settlesim.sim.replays import replay
from settlesim.sim.scenario import Faults, Scenario

if TYPE_CHECKING:
    from settlesim.sim.schedule import Schedule

__all__ = [
    "to_promela",
    "to_pytest",
]

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
        "it has a deployment": scenario.old is not None,
        "it has messages that start an instance": any(each.starts for each in scenario.events),
        "it has timers": len(scenario.messages) > len(scenario.events),
        "it has batches": scenario.batch > 1,
        "it has a policy for events that arrive": scenario.while_running != "enqueue",
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
        """Follow every sequence of different messages: more cannot be in an instance."""
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
        while leaf.kind is ProgramNodeKind.WAIT:
            leaf = self._model.table.node(leaf.branches[0].after)
        return leaf.state if leaf.kind is ProgramNodeKind.SAVE else state

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
        if node.kind is ProgramNodeKind.ERROR:
            raise _refusal(f"an event comes to no settled state ({node.text})")
        if node.kind is ProgramNodeKind.UNKNOWN:
            raise _refusal(node.text)
        if len(node.branches) > 1:
            raise _refusal("services or delays of one handler run at the same time")
        for branch in node.branches:
            if branch.effect:
                raise _refusal(f"service {branch.service!r} has an effect outside")
        if node.kind is ProgramNodeKind.WAIT:
            kind, after = 0, self._node(node.branches[0].after)
        elif node.kind is ProgramNodeKind.SAVE:
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


_PLACE = re.compile(r"([\w.]+):((\w+)(?:\([\w\s,=.'\"-]*\))?)")


def to_pytest(scenario: Scenario, schedule: Schedule | str, chart: str) -> str:
    """Return a test, as source text, that replays a schedule and checks its ending.

    Parameters
    ----------
    schedule : of the scenario, as a value or a text
    chart : where the test finds the chart: ``package.module:name`` or ``...:name(3)``

    Raises
    ------
    ReplayDivergedError
        The scenario does not follow the schedule.
    SimulationError
        The schedule does not go to the end, or `chart` is no such place.
    """
    place = _PLACE.fullmatch(chart)
    names = [] if place is None else [*place[1].split("."), place[3]]
    if place is None or not all(each.isidentifier() and not iskeyword(each) for each in names):
        raise SimulationError(
            where="chart", reason=f"is {shorten(chart)}; 'package.module:name' is needed"
        )
    if scenario.old is not None:
        reason = "has two versions of its chart, and a test is written for one"
        raise SimulationError(where="scenario", reason=reason)
    played = replay(scenario, schedule)
    if played.ending is None:
        raise SimulationError(
            where="schedule",
            reason=f"does not go to the end: {played.frames[-1].enabled[0].name} may follow",
        )
    module, expression, name = place.groups()
    ending = played.ending
    store = [(key, leaves, thaw(context)) for key, leaves, context in ending.store]
    lines = [
        f"from {module} import {name}",
        "from settlesim.sim import Scenario, replay",
        "",
        "",
        f"def {_function_name(scenario, ending.fifo)}() -> None:",
        f"    {_docstring(played.sentence)}",
        "    scenario = Scenario(",
        f"        {expression},",
        *(f"        {line}," for line in _arguments(scenario)),
        "    )",
        f"    played = replay(scenario, {str(schedule)!r})",
        "    ending = played.ending",
        "    assert ending is not None",
        f"    assert list(ending.store) == {store!r}",
        f"    assert ending.effects == {ending.effects!r}",
        f"    assert ending.dead == {ending.dead!r}",
        f"    assert ending.fifo is {ending.fifo}",
        f"    assert played.anomalies == {played.anomalies!r}",
    ]
    return "\n".join(lines) + "\n"


def _docstring(text: str) -> str:
    return f'r"""{text}"""' if '"' not in text and "\\" not in text else repr(text)


def _function_name(scenario: Scenario, right: bool | None) -> str:
    # ASCII: not every letter and digit that \w takes may stand in a name
    words = [
        re.sub(r"\W+", "_", each.words, flags=re.ASCII).strip("_").lower()
        for each in scenario.events[:4]
    ]
    middle = "_and_".join(word or "event" for word in words)
    return f"test_{middle}_{'end_right' if right else 'go_wrong'}"


def _arguments(scenario: Scenario) -> list[str]:
    """Return the arguments that differ from the defaults, as source text."""
    events = [
        (each.key, None if each.starts else each.event, thaw(each.data)) for each in scenario.events
    ]
    found = [f"{events!r}", f"workers={scenario.workers}", f"queue={scenario.queue!r}"]
    if scenario.protections:
        found.append(f"protections={scenario.protections!r}")
    faults = {name: n for name, n in scenario.faults._asdict().items() if n}
    if scenario.faults != Faults():
        found.append(f"faults={faults!r}")
    if scenario.max_receives is not None:
        found.append(f"max_receives={scenario.max_receives}")
    found += [f"{name}={value!r}" for name, value in scenario.policies.items()]
    if scenario.results is not None:
        found.append(f"results={thaw(scenario.results)!r}")
    found += _assumptions(scenario)
    start = scenario.start
    if start is not None:
        leaves = start.configuration
        if len(leaves) != 1 or start.context != scenario.chart.context:
            raise SimulationError(
                where="start", reason="only a node can be written into a test, no whole snapshot"
            )
        found.append(f"start={leaves[0]!r}")
    return found


def _assumptions(scenario: Scenario) -> list[str]:
    """Return what the scenario assumes of time and of errors, as source text."""
    record = scenario.to_dict()
    found = [f"{name}={record[name]!r}" for name in ("durations", "errors") if record[name]]
    if scenario.timing != "any":
        found.append(f"timing={scenario.timing!r}")
    if len(scenario.messages) > len(scenario.events):
        found.append(f"timers={scenario.timers}")
    return found
