"""The programs that a scenario may run, as arrays of numbers for a Promela model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from settlesim.errors import SimulationError
from settlesim.sim.model import Model
from settlesim.sim.program_nodes import Branch, ProgramNodeKind

__all__ = ["ProgramTables", "plain_refusal"]

_MAX_NODES: Final = 32_000  # a short of Promela has 16 bits
_MAX_WORK: Final = 50_000  # situations of an instance


def plain_refusal(reason: str) -> SimulationError:
    """Return the error for a scenario that cannot be written in Promela."""
    return SimulationError(where="to_promela", reason=f"cannot be written for Spin: {reason}")


class ProgramTables:
    """The programs that may run, as arrays: the first node for each message and state, and nodes.

    Parameters
    ----------
    model
        The model of the scenario. Each instance is followed through every sequence of its messages
        in which each comes once, plus as many repetitions as faults may cause.

    Raises
    ------
    SimulationError
        The programs cannot be written in Promela, or are too many.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        scenario = model.scenario
        self._with_identity = "idempotent" in scenario.protections
        self._extra = sum(scenario.faults) - scenario.faults.service_failures
        self._numbers: dict[int, int] = {}
        self._nodes: list[int] = []
        self.states: list[int] = []
        """The states that an instance may be in, as numbers of the model's table."""
        self._state_numbers: dict[int, int] = {}
        self.calls: list[tuple[str, str, int]] = []
        """The calls that have an effect: service, invocation and number."""
        self.has_errors = False
        start = model.shared[model.start[model.size + 1]].state
        self._state(start)
        self._first: list[dict[int, int]] = [{} for _ in range(model.size)]
        for key in range(len(model.instances)):
            self._close(start, [i for i in range(model.size) if model.key_of[i] == key])
        found = [model.table.node(number).branches for number in self._nodes]
        self.width = max(map(len, found), default=0)
        """The largest number of branches of a node."""
        self.most_effects = self._most_effects()
        """The largest number of effects in one run of a handler."""

    def _most_effects(self) -> int:
        most: dict[int, int] = {}

        def longest(number: int) -> int:
            if number not in most:
                branches = self._model.table.node(number).branches
                below = (len(self._effects(each)) + longest(each.after) for each in branches)
                most[number] = max(below, default=0)
            return most[number]

        return max(map(longest, self._nodes), default=0)

    # --- what may run ---------------------------------------------------------------------

    def _close(self, start: int, messages: list[int]) -> None:
        """Follow every sequence of messages."""
        first = (start, (0,) * len(messages))
        seen, waiting = {first}, [first]
        for state, used in waiting:  # the loop itself appends to `waiting`
            for place, index in enumerate(messages):
                again = sum(max(0, each - 1) for each in used)
                if used[place] and again >= self._extra:
                    continue
                event = self._model.scenario.events[index]
                node = self._model.table.program(state, event.event, event.data)
                self._check(node)
                self._first[index][self._state(state)] = self._node(node)
                counts = (*used[:place], used[place] + 1, *used[place + 1 :])
                for leaf in self._ends(node, state):
                    after = (leaf, counts)
                    if after not in seen:
                        if len(seen) >= _MAX_WORK:
                            reason = f"its events lead to more than {_MAX_WORK} situations"
                            raise plain_refusal(reason)
                        seen.add(after)
                        waiting.append(after)

    def _check(self, node: int) -> None:
        for doubt in self._model.table.doubts(node):
            raise plain_refusal(doubt)

    def _ends(self, number: int, state: int) -> list[int]:
        """Return the states in which an instance may be after a program."""
        found: dict[int, None] = {}
        stack, seen = [number], {number}
        while stack:
            node = self._model.table.node(stack.pop())
            if node.kind is ProgramNodeKind.WAIT:
                stack += [each.after for each in node.branches if each.after not in seen]
                seen.update(each.after for each in node.branches)
            else:
                saved = node.kind is ProgramNodeKind.SAVE
                found[node.state if saved else state] = None
        return list(found)

    def _state(self, state: int) -> int:
        number = self._state_numbers.get(state)
        if number is None:
            number = self._state_numbers[state] = len(self.states)
            self.states.append(state)
            if number >= _MAX_NODES:
                raise plain_refusal(f"its instances have more than {_MAX_NODES} states")
        return number

    def _node(self, number: int) -> int:
        """Return the position of a node in the arrays, adding it and the nodes below it."""
        if number in self._numbers:
            return self._numbers[number]
        node = self._model.table.node(number)
        if node.kind is ProgramNodeKind.UNKNOWN:
            raise plain_refusal(node.text)
        scenario = self._model.scenario
        if node.kind is ProgramNodeKind.ERROR:
            self.has_errors = True
            endless = scenario.queue != "direct" and scenario.max_receives is None
            if endless and not node.failures:
                raise plain_refusal(f"an event reaches no settled state ({node.text})")
        if node.kind is ProgramNodeKind.SAVE:
            self._state(node.state)
        if len(self._nodes) * max(1, len(node.branches)) >= _MAX_NODES:
            raise plain_refusal(f"its programs have more than {_MAX_NODES} nodes")
        place = self._numbers[number] = len(self._nodes)
        self._nodes.append(number)
        for branch in node.branches:
            for call in self._effects(branch):
                if call not in self.calls:
                    self.calls.append(call)
            self._node(branch.after)
        return place

    def _effects(self, branch: Branch) -> list[tuple[str, str, int]]:
        """Return the call whose effect a branch brings, as a list of at most one."""
        if not branch.effect:
            return []
        identity = (branch.activity, branch.number) if self._with_identity else ("", 0)
        return [(branch.service, *identity)]

    # --- as text --------------------------------------------------------------------------

    def lines(self) -> list[str]:
        """Return the arrays as declarations of Promela."""
        kinds = {
            ProgramNodeKind.WAIT: 0,
            ProgramNodeKind.SAVE: 1,
            ProgramNodeKind.SKIP: 2,
            ProgramNodeKind.ERROR: 3,
        }
        nodes = [self._model.table.node(number) for number in self._nodes]
        lines = [
            "/* programs: what a node is, what may happen there, and what is saved */",
            _array("kind", [kinds[node.kind] for node in nodes]),
            _array(
                "result",
                [
                    self._state_numbers[node.state] if node.kind is ProgramNodeKind.SAVE else 0
                    for node in nodes
                ],
            ),
            _array("branches", [len(node.branches) for node in nodes]),
        ]
        if self.width:
            rows = [[*node.branches, *[None] * (self.width - len(node.branches))] for node in nodes]
            flat = [each for row in rows for each in row]
            after = [0 if each is None else self._numbers[each.after] for each in flat]
            costs = [int(each is not None and each.kind.is_fault) for each in flat]
            lines += [_array("after", after), _array("costs", costs)]
            calls = [[] if each is None else self._effects(each) for each in flat]
            lines.append(
                _array("effect", [self.calls.index(each[0]) + 1 if each else 0 for each in calls])
            )
        size = len(self.states)
        for index, first in enumerate(self._first):
            lines.append(_array(f"first{index}", [first.get(each, 0) for each in range(size)]))
        return [*lines, ""]


def _array(name: str, numbers: Sequence[int]) -> str:
    return f"hidden short {name}[{len(numbers)}] = {{ {', '.join(map(str, numbers))} }};"
