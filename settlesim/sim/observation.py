"""`Observation`: what can be seen of one state of a scenario from outside the workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from settlesim.argument_checks import nearest
from settlesim.sim.terms import InstanceView, MessageView

__all__ = ["EffectView", "Observation", "Vocabulary"]


class EffectView(NamedTuple):
    """One effect that a service had on the world."""

    key: str
    service: str
    message: int
    """The message that was handled, from 1."""


class Vocabulary(NamedTuple):
    """The names of a scenario that a predicate may use."""

    states: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    """Only those that have an effect."""
    events: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    """The fields of the context at the beginning; a chart may add others."""

    def problem(self, what: str, name: object) -> str:
        """Say that a name is unknown, with the closest known one; empty if the name is known.

        Parameters
        ----------
        what : the kind of name: a field of this class
        """
        known: tuple[str, ...] = getattr(self, what)
        if name in known:
            return ""
        close = nearest(name, known)
        hint = f"did you mean {close!r}?" if close else f"known are {', '.join(known) or 'none'}"
        nouns = {
            "states": "no state",
            "services": "no service with an effect",
            "events": "no event of the scenario",
            "keys": "no instance of the scenario",
            "fields": "no field of the context",
        }
        return f"{name!r} is {nouns[what]}; {hint}"

    def require(self, what: str, name: object) -> None:
        """Refuse an unknown name, as `problem` says.

        Raises
        ------
        KeyError
        """
        problem = self.problem(what, name)
        if problem:
            raise KeyError(problem)


@dataclass(frozen=True, slots=True)
class Observation:
    """What can be seen of the store, the queue and the world outside in one state.

    Predicates of properties and of `find` get such a value. All parts are frozen.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> from settlesim.sim import Scenario, find
    >>> found = find(Scenario(order, ["PAY"]), lambda seen: seen.in_state("paid"))
    >>> found.observation.instance().configuration, found.observation.effects
    (('paid',), (EffectView(key='order-1', service='charge_card', message=1),))
    """

    store: tuple[InstanceView, ...]
    """Every instance, in the order in which the events first name them."""
    effects: tuple[EffectView, ...]
    """Every effect so far: in order for each instance, one instance after another."""
    messages: tuple[MessageView, ...]
    """Every message that was sent, in the order of the queue."""
    ended: bool
    """Whether a run may end here, since nothing has to happen any more."""
    vocabulary: Vocabulary = field(default=Vocabulary(), repr=False)
    """The names that the methods accept."""

    def instance(self, key: str | None = None) -> InstanceView:
        """Return one instance by its key, which may be left out if there is only one.

        Raises
        ------
        KeyError
            There is no such instance, or there are several and no key was given.
        """
        if key is not None:
            self.vocabulary.require("keys", key)
        elif len(self.store) > 1:
            raise KeyError(f"there are {len(self.store)} instances; name one by its key")
        return next(each for each in self.store if key in {None, each.key})

    def in_state(self, name: str, key: str | None = None) -> bool:
        """Whether an instance is in a state or in one nested in it; without a key, any instance.

        Raises
        ------
        KeyError
            The chart has no such state, or the scenario no such instance.
        """
        self.vocabulary.require("states", name)
        chosen = self.store if key is None else (self.instance(key),)
        return any(
            leaf == name or leaf.startswith(f"{name}.")
            for each in chosen
            for leaf in each.configuration
        )

    def count(self, service: str, key: str | None = None) -> int:
        """Return how often a service had its effect, for one instance or for all.

        Raises
        ------
        KeyError
            There is no such service with an effect, or no such instance.
        """
        self.vocabulary.require("services", service)
        if key is not None:
            self.vocabulary.require("keys", key)
        return sum(each.service == service and key in {None, each.key} for each in self.effects)

    @property
    def waiting(self) -> tuple[MessageView, ...]:
        """The messages that wait to be received."""
        return tuple(each for each in self.messages if each.status == "visible")

    @property
    def dead_letters(self) -> tuple[MessageView, ...]:
        """The messages in the dead-letter queue."""
        return tuple(each for each in self.messages if each.status == "dead")
