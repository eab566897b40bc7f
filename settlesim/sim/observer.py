"""`Observer`: the states of a model as observations, and the answers of functions about them.

Theory of operation
-------------------
Most states of a search differ only in the progress of the handlers, which cannot be seen from
outside. What can be seen is identified by a short tuple of numbers: the status, receives and
position of each message, the number of each instance's stored part, and whether a run may end.
Functions are called only for new tuples, and then twice: a function that gives two different
answers is not pure.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

from settlesim.errors import SimulationError, error_message, shorten
from settlesim.sim.disciplines import STATUSES, UNSENT
from settlesim.sim.model import Model, State
from settlesim.sim.observation import EffectView, Observation
from settlesim.sim.predicates import Predicate
from settlesim.sim.terms import InstanceView, MessageView

__all__ = ["Observer"]


class Observer:
    """Asks functions about the states of a model.

    Parameters
    ----------
    model
        Whose states they are.
    functions : the functions of an observation, by the name that errors use
    """

    def __init__(
        self, model: Model, functions: Mapping[str, Callable[[Observation], bool]]
    ) -> None:
        self._model = model
        self._functions = functions
        self._vocabulary = model.scenario.vocabulary
        start = model.scenario.start
        self._first_revision = 0 if start is None else start.revision
        self._seen_of_phase: list[int] = []
        self._seen_numbers: dict[tuple[int, ...], int] = {}
        self._answers: dict[tuple[int, ...], int] = {}

    def answers(self, state: State) -> int:
        """Return the answers of the functions about a state, one bit each.

        Raises
        ------
        SimulationError
            A function raises (also because it tries to change the observation), is not pure, or
            does not return True or False.
        """
        size = self._model.size
        if len(self._seen_of_phase) < len(self._model.phases):
            self._look_at_new_phases()
        seen = self._seen_of_phase
        ends = self._model.may_end(state)
        key = (ends, *[seen[phase] for phase in state[:size]], *state[size + 1 :])
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = self._asked(state)
        return found

    def _look_at_new_phases(self) -> None:
        """Give numbers to what can be seen of the phases that are new since the last call."""
        for phase in self._model.phases[len(self._seen_of_phase) :]:
            visible = (phase.message, phase.status, phase.receives, phase.place)
            number = self._seen_numbers.setdefault(visible, len(self._seen_numbers))
            self._seen_of_phase.append(number)

    def observation(self, state: State) -> Observation:
        """Return what can be seen of a state."""
        model = self._model
        shared = [model.shared[number] for number in state[model.size + 1 :]]
        calls = model.moves.calls
        messages = model.scenario.messages
        phases = [model.phases[state[index]] for index in model.in_order(state[model.size])]
        return Observation(
            store=tuple(
                InstanceView(
                    model.instances[each.key],
                    model.table.configuration(each.state),
                    model.table.context(each.state),
                    each.version + self._first_revision,
                )
                for each in shared
            ),
            effects=tuple(
                EffectView(model.instances[each.key], calls[n].service, calls[n].message + 1)
                for each in shared
                for n in each.effects
            ),
            messages=tuple(
                MessageView(
                    each.message + 1,
                    messages[each.message].key,
                    messages[each.message].event,
                    STATUSES[each.status],
                    each.receives,
                )
                for each in phases
                if each.status != UNSENT
            ),
            ended=model.may_end(state),
            vocabulary=self._vocabulary,
        )

    def _asked(self, state: State) -> int:
        seen = self.observation(state)
        bits = 0
        for place, (name, function) in enumerate(self._functions.items()):
            if isinstance(function, Predicate):
                bits |= function(seen) << place
            else:
                bits |= _answer(name, function, seen) << place
        return bits


def _answer(name: str, function: Callable[[Observation], bool], seen: Observation) -> bool:
    """Return the answer of a function of the user, after checking that it is pure."""
    answers = []
    for _ in range(2):
        try:
            answer: object = function(seen)
        except Exception as error:
            reason = (
                f"raised {type(error).__name__}: {error_message(error)}. It was given "
                f"{_words(seen)}; an observation is frozen and cannot be changed"
            )
            raise SimulationError(where=name, reason=reason) from error
        if inspect.iscoroutine(answer):
            answer.close()
        if not isinstance(answer, bool):
            reason = f"returned {shorten(answer)} for {_words(seen)}; True or False is needed"
            raise SimulationError(where=name, reason=reason)
        answers.append(answer)
    if answers[0] is not answers[1]:
        reason = (
            f"returned {answers[0]}, then {answers[1]} for the same observation, {_words(seen)}; "
            "a pure function is needed, one that depends on nothing but what it is given"
        )
        raise SimulationError(where=name, reason=reason)
    return answers[0]


def _words(seen: Observation) -> str:
    """Describe an observation in a few words."""
    rests = "; ".join(" + ".join(each.configuration) for each in seen.store)
    effects = ", ".join(each.service for each in seen.effects) or "no effect"
    dead = f", {len(seen.dead_letters)} dead" if seen.dead_letters else ""
    return f"{rests} after {effects}{dead}"
