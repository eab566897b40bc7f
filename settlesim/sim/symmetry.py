"""Symmetry: states that differ only in which of several equal events is which are explored once.

Theory of operation
-------------------
Let two messages of an instance have the same event and data, and let nothing depend on their order.
Then exchanging them in a state gives a state with the same future, except for the names of the
messages. Such states are *alike*. `AlikeModel` keeps one state of each set of alike ones and
substitutes it for all others.

The counts remain exact. Every step of a state has its counterpart in each alike state, and the
start is alike only to itself. So the same number of interleavings leads to each state of a set. The
number for the whole set is the sum over the steps into it from the states that stand for other
sets, where two steps from one state into the same set count twice. The size of a set is a product
of multinomial coefficients. An ending that names messages stands for all endings that are alike to
it, each with the same share.

The order of messages matters to FIFO queues, monitors, properties, timers, batches, arrival
policies and deployments. In scenarios with any of these no states are merged.

References
----------
Clarke, Enders, Filkorn, Jha, "Exploiting symmetry in temporal logic model checking", FMSD 1996.
Ip and Dill, "Better verification through symmetry", FMSD 1996.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import permutations, product
from typing import Final

from settlesim.chart.strict_json import encode
from settlesim.sim.model import EndingIdentity, Model, State
from settlesim.sim.moves import MessagePhase, Shared
from settlesim.sim.terms import Step

__all__ = ["ENOUGH", "AlikeModel", "equal_events", "exchanges"]

ENOUGH: Final = 24
"""From how many exchanges on symmetry pays off: those of four equal events."""
_MOST: Final = 5_040
"""How many exchanges are enumerated for one ending at most: those of seven equal events."""

Exchange = dict[int, int]
"""A permutation of messages: from each message to the one whose role it takes."""


def equal_events(model: Model) -> list[tuple[int, ...]]:
    """Return the messages that are equal to others, from 0: a tuple for each event and instance."""
    scenario = model.scenario
    if (
        scenario.queue.startswith("fifo")
        or scenario.monitors
        or scenario.properties
        or scenario.old is not None
        or not model.one_message
        or model.size != model.events
    ):
        return []
    found: dict[str, list[int]] = {}
    for index, each in enumerate(scenario.events):
        found.setdefault(encode([each.key, each.event, each.data]), []).append(index)
    return [tuple(each) for each in found.values() if len(each) > 1]


def exchanges(groups: list[tuple[int, ...]]) -> int:
    """Return in how many ways equal messages can be exchanged; 1 if there are too many."""
    number = math.prod(math.factorial(len(each)) for each in groups)
    return number if number <= _MOST else 1


class AlikeModel:
    """A model in which one state stands for all that are alike.

    It has the attributes of a model that `settlesim.sim.search` needs.

    Parameters
    ----------
    model
        The model with all states.
    groups : the result of `equal_events`
    """

    one_message = False

    def __init__(self, model: Model, groups: list[tuple[int, ...]]) -> None:
        self._model = model
        self._groups = groups
        self._kinds: dict[MessagePhase, int] = {}
        self._kind_of: list[int] = []
        """For each phase, a number for its content apart from the message."""
        self._mentions: dict[int, dict[int, tuple[int, ...]]] = {}
        self.start = model.start
        self.services_together = model.services_together
        self.may_end = model.may_end

    def successors(self, state: State) -> list[tuple[Step, State]]:
        """Return the enabled steps, each with the state that stands for the one after it."""
        return [(step, self.standing_for(after)) for step, after in self._model.successors(state)]

    # --- states ---------------------------------------------------------------------------

    def standing_for(self, state: State) -> State:
        """Return the state that stands for all states alike to this one."""
        exchange: Exchange = {}
        for group in self._groups:
            marks = self._marks(state, group)
            order = sorted(range(len(group)), key=marks.__getitem__)
            exchange |= {group[at]: group[place] for place, at in enumerate(order) if at != place}
        return self._exchanged(state, exchange) if exchange else state

    def number_alike(self, state: State) -> int:
        """Return how many states are alike to this one, including itself."""
        number = 1
        for group in self._groups:
            same = Counter(self._marks(state, group)).values()
            number *= math.factorial(len(group)) // math.prod(map(math.factorial, same))
        return number

    def all_alike(self, state: State) -> list[State]:
        """Return the states that are alike to this one, each once."""
        return list(dict.fromkeys(self._exchanged(state, each) for each in self._exchanges()))

    def _marks(self, state: State, group: tuple[int, ...]) -> list[tuple[int, tuple[int, ...]]]:
        """Return for each message of a group what distinguishes it from the others in it."""
        model = self._model
        mentions = self._mentioned(state[model.size + 1 + model.key_of[group[0]]])
        phases, kinds = model.phases, self._kind_of
        while len(kinds) < len(phases):
            bare = phases[len(kinds)]._replace(message=0)
            kinds.append(self._kinds.setdefault(bare, len(self._kinds)))
        return [(kinds[state[index]], mentions.get(index, ())) for index in group]

    def _mentioned(self, number: int) -> dict[int, tuple[int, ...]]:
        """Return where an instance mentions each message: 0 for its inbox, effects from 1."""
        found = self._mentions.get(number)
        if found is None:
            shared = self._model.shared[number]
            places: dict[int, tuple[int, ...]] = dict.fromkeys(shared.handled, (0,))
            for place, call in enumerate(shared.effects, 1):
                message = self._model.moves.calls[call].message
                places[message] = (*places.get(message, ()), place)
            found = self._mentions[number] = places
        return found

    def _exchanges(self) -> Iterator[Exchange]:
        """Yield every exchange of equal messages, beginning with the identity."""
        for orders in product(*map(permutations, self._groups)):
            yield {
                message: place
                for group, order in zip(self._groups, orders, strict=True)
                for message, place in zip(group, order, strict=True)
            }

    def _exchanged(self, state: State, exchange: Exchange) -> State:
        """Return a state with its messages exchanged."""
        model = self._model
        parts = list(state)
        for message, place in exchange.items():
            phase = model.phases[state[message]]._replace(message=place)
            parts[place] = model.number_of_phase(phase)
        parts[model.size] += sum(
            model.weight(parts[place]) - model.weight(state[place]) for place in exchange
        )
        for at in range(model.size + 1, len(parts)):
            parts[at] = model.number_of_shared(self._renamed(model.shared[parts[at]], exchange))
        return tuple(parts)

    def _renamed(self, shared: Shared, exchange: Exchange) -> Shared:
        """Return an instance with the messages that it mentions exchanged."""
        if not (shared.handled or shared.effects):
            return shared
        moves = self._model.moves
        calls = (moves.calls[each] for each in shared.effects)
        renamed = (
            each._replace(message=exchange.get(each.message, each.message)) for each in calls
        )
        return shared._replace(
            handled=tuple(sorted(exchange.get(each, each) for each in shared.handled)),
            effects=tuple(moves.number_of_call(each) for each in renamed),
        )

    # --- endings --------------------------------------------------------------------------

    def endings_alike(self, outcome: EndingIdentity) -> list[EndingIdentity]:
        """Return the endings that are alike to this one, including itself, each once."""
        if not (any(outcome.effects) or outcome.dead):
            return [outcome]
        found: dict[EndingIdentity, None] = {}
        for exchange in self._exchanges():
            effects = tuple(
                tuple((service, exchange.get(message, message)) for service, message in each)
                for each in outcome.effects
            )
            dead = tuple(sorted(exchange.get(each, each) for each in outcome.dead))
            found[outcome._replace(effects=effects, dead=dead)] = None
        return list(found)
