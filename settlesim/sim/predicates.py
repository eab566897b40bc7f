"""Predicates as values: small questions that can be combined, written as text and translated.

A predicate can be called with an `Observation`, like a function written in Python. Because its
parts are known, its names can be checked against the chart, it can be written as text (which
`settlesim.sim.predicate_text` reads), and it can be translated to Promela.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final, TypeAlias

from settlesim.chart.strict_json import JSONValue
from settlesim.errors import SimulationError, shorten
from settlesim.sim.observation import Observation, Vocabulary

__all__ = [
    "Conjunction",
    "ContextField",
    "Disjunction",
    "Effect",
    "Ended",
    "InState",
    "IsDeadLetter",
    "Negation",
    "Predicate",
    "Waiting",
    "context_is",
    "dead_letter",
    "effect",
    "ended",
    "in_state",
    "waiting",
]

_PLAIN: Final = re.compile(r"[^\s&|~!()\"<>=@:]+")


class Predicate:
    """A question about an `Observation`; predicates are combined by ``&``, ``|`` and ``~``.

    `str` gives the text that the command line accepts, `repr` the Python expression.

    Examples
    --------
    >>> predicate = in_state("shipped") & ~effect("refund_card", times=2)
    >>> print(predicate)
    state:shipped & ~effect:refund_card>=2
    >>> predicate
    in_state('shipped') & ~effect('refund_card', times=2)
    """

    __slots__ = ()

    def __call__(self, seen: Observation) -> bool:
        """Whether it holds."""
        raise NotImplementedError

    def atoms(self) -> Iterator[Predicate]:
        """Yield the parts that are not combinations of other predicates."""
        yield self

    def problems(self, names: Vocabulary) -> list[str]:
        """Return a message for each name that the scenario does not have."""
        return [problem for each in self.atoms() for problem in each.problems(names)]

    def __and__(self, other: Predicate) -> Predicate:
        """Both."""
        return Conjunction(self, _predicate(other))

    def __or__(self, other: Predicate) -> Predicate:
        """At least one of the two."""
        return Disjunction(self, _predicate(other))

    def __invert__(self) -> Predicate:
        """Not this one."""
        return Negation(self)

    def __bool__(self) -> bool:
        """Refuse ``and``, ``or`` and ``not``: they would lose one of the parts.

        Raises
        ------
        TypeError
        """
        raise TypeError("a predicate is neither true nor false; combine predicates by & | ~")


def _predicate(other: object) -> Predicate:
    if not isinstance(other, Predicate):
        raise TypeError(
            f"{shorten(other, 40)} is no predicate; only predicates are combined by & | ~, and a "
            "function calls them instead"
        )
    return other


# --- combinations -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class Conjunction(Predicate):
    """Both of two predicates."""

    left: Predicate
    right: Predicate

    def __call__(self, seen: Observation) -> bool:
        """Whether both hold."""
        return self.left(seen) and self.right(seen)

    def atoms(self) -> Iterator[Predicate]:
        """Yield the parts."""
        yield from self.left.atoms()
        yield from self.right.atoms()

    def __str__(self) -> str:
        return " & ".join(_inside(each, str(each)) for each in (self.left, self.right))

    def __repr__(self) -> str:
        return " & ".join(_inside(each, repr(each)) for each in (self.left, self.right))


@dataclass(frozen=True, slots=True, repr=False)
class Disjunction(Predicate):
    """At least one of two predicates."""

    left: Predicate
    right: Predicate

    def __call__(self, seen: Observation) -> bool:
        """Whether at least one holds."""
        return self.left(seen) or self.right(seen)

    def atoms(self) -> Iterator[Predicate]:
        """Yield the parts."""
        yield from self.left.atoms()
        yield from self.right.atoms()

    def __str__(self) -> str:
        return f"{self.left} | {self.right}"

    def __repr__(self) -> str:
        return f"{self.left!r} | {self.right!r}"


@dataclass(frozen=True, slots=True, repr=False)
class Negation(Predicate):
    """The negation of another predicate."""

    of: Predicate

    def __call__(self, seen: Observation) -> bool:
        """Whether the other does not hold."""
        return not self.of(seen)

    def atoms(self) -> Iterator[Predicate]:
        """Yield the parts."""
        yield from self.of.atoms()

    def __str__(self) -> str:
        return f"~{_below(self.of, str(self.of))}"

    def __repr__(self) -> str:
        return f"~{_below(self.of, repr(self.of))}"


def _inside(part: Predicate, text: str) -> str:
    return f"({text})" if isinstance(part, Disjunction) else text


def _below(part: Predicate, text: str) -> str:
    return f"({text})" if isinstance(part, (Conjunction, Disjunction)) else text


# --- atoms --------------------------------------------------------------------------------


class _Atom(Predicate):
    """A predicate without parts; its `repr` is the call that makes it."""

    __slots__ = ()

    def _call(self, name: str, *positional: object) -> str:
        """Return the call; arguments that equal their defaults are left out."""
        words = [repr(each) for each in positional]
        taken = len(positional)
        words += [
            f"{each.name}={getattr(self, each.name)!r}"
            for each in fields(self)[taken:]  # type: ignore[arg-type]
            if getattr(self, each.name) != each.default
        ]
        return f"{name}({', '.join(words)})"


@dataclass(frozen=True, slots=True, repr=False)
class InState(_Atom):
    """An instance is in a state or in one nested in it."""

    name: str
    key: str | None = None

    def __call__(self, seen: Observation) -> bool:
        """Whether the instance is; without a key, whether any is."""
        return seen.in_state(self.name, self.key)

    def holds_in(self, configuration: tuple[str, ...]) -> bool:
        """Whether it holds for an instance in a configuration."""
        return any(leaf == self.name or leaf.startswith(f"{self.name}.") for leaf in configuration)

    def problems(self, names: Vocabulary) -> list[str]:
        """Say which names are unknown."""
        return _problems(names, states=self.name, keys=self.key)

    def __str__(self) -> str:
        return f"state:{_word(self.name)}{_at(self.key)}"

    def __repr__(self) -> str:
        return self._call("in_state", self.name)


@dataclass(frozen=True, slots=True, repr=False)
class ContextField(_Atom):
    """A field of an instance's context has a value."""

    name: str
    value: JSONValue
    key: str | None = None

    def __call__(self, seen: Observation) -> bool:
        """Whether the field has; without a key, whether that of any instance has."""
        chosen = seen.store if self.key is None else (seen.instance(self.key),)
        return any(self.holds_in(dict(each.context)) for each in chosen)

    def holds_in(self, context: dict[str, JSONValue]) -> bool:
        """Whether it holds for an instance with a context; unlike in Python, True is not 1."""
        if self.name not in context:
            return False
        found = context[self.name]
        return found == self.value and isinstance(found, bool) is isinstance(self.value, bool)

    def problems(self, names: Vocabulary) -> list[str]:
        """Say which names are unknown."""
        return _problems(names, keys=self.key)

    def __str__(self) -> str:
        value = json.dumps(self.value)
        return f"context:{_word(self.name)}{_at(self.key)}=={value}"

    def __repr__(self) -> str:
        return self._call("context_is", self.name, self.value)


@dataclass(frozen=True, slots=True, repr=False)
class Effect(_Atom):
    """A service has had its effect."""

    service: str
    times: int = 1
    key: str | None = None

    def __call__(self, seen: Observation) -> bool:
        """Whether it has, at least `times` times."""
        return seen.count(self.service, self.key) >= self.times

    def problems(self, names: Vocabulary) -> list[str]:
        """Say which names are unknown."""
        return _problems(names, services=self.service, keys=self.key)

    def __str__(self) -> str:
        times = f">={self.times}" if self.times != 1 else ""
        return f"effect:{_word(self.service)}{_at(self.key)}{times}"

    def __repr__(self) -> str:
        return self._call("effect", self.service)


@dataclass(frozen=True, slots=True, repr=False)
class IsDeadLetter(_Atom):
    """A message is in the dead-letter queue."""

    event: str | None = None
    key: str | None = None

    def __call__(self, seen: Observation) -> bool:
        """Whether one is; only messages of the given event and instance count."""
        return any(
            self.event in {None, each.event} and self.key in {None, each.key}
            for each in seen.dead_letters
        )

    def problems(self, names: Vocabulary) -> list[str]:
        """Say which names are unknown."""
        return _problems(names, events=self.event, keys=self.key)

    def __str__(self) -> str:
        event = "" if self.event is None else f":{_word(self.event)}"
        return f"dead{event}{_at(self.key)}"

    def __repr__(self) -> str:
        return self._call("dead_letter")


@dataclass(frozen=True, slots=True, repr=False)
class Waiting(_Atom):
    """A message waits to be received."""

    event: str | None = None
    key: str | None = None

    def __call__(self, seen: Observation) -> bool:
        """Whether one does; only messages of the given event and instance count."""
        return any(
            self.event in {None, each.event} and self.key in {None, each.key}
            for each in seen.waiting
        )

    def problems(self, names: Vocabulary) -> list[str]:
        """Say which names are unknown."""
        return _problems(names, events=self.event, keys=self.key)

    def __str__(self) -> str:
        event = "" if self.event is None else f":{_word(self.event)}"
        return f"waiting{event}{_at(self.key)}"

    def __repr__(self) -> str:
        return self._call("waiting")


@dataclass(frozen=True, slots=True, repr=False)
class Ended(_Atom):
    """Nothing has to happen any more."""

    def __call__(self, seen: Observation) -> bool:
        """Whether a run may end here."""
        return seen.ended

    def problems(self, names: Vocabulary) -> list[str]:
        """Return nothing: the predicate has no names."""
        return []

    def __str__(self) -> str:
        return "ended"

    def __repr__(self) -> str:
        return "ended()"


AnyAtom: TypeAlias = InState | ContextField | Effect | IsDeadLetter | Waiting | Ended


def _problems(names: Vocabulary, **wanted: str | None) -> list[str]:
    found = [names.problem(what, name) for what, name in wanted.items() if name is not None]
    return [each for each in found if each]


def _word(name: str) -> str:
    """Return a name as it is written in the text of a predicate, quoted if necessary."""
    return name if _PLAIN.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _at(key: str | None) -> str:
    return "" if key is None else f"@{_word(key)}"


# --- making predicates --------------------------------------------------------------------


def in_state(name: str, key: str | None = None) -> Predicate:
    """Return a predicate: an instance is in a state or in one nested in it.

    Parameters
    ----------
    name : the name of the state, with dots if it is nested
    key : the key of the instance; None for any

    Raises
    ------
    SimulationError
        A name is not a non-empty string.
    """
    return InState(_text("in_state", name), _key("in_state", key))


def context_is(name: str, value: JSONValue, key: str | None = None) -> Predicate:
    """Return a predicate: a field of an instance's context has a value.

    It does not hold if the context has no such field.

    Parameters
    ----------
    name : the name of the field
    value : text, a number, True, False or None
    key : the key of the instance; None for any

    Raises
    ------
    SimulationError
        A name is not a non-empty string, or the value is of another kind.
    """
    if not isinstance(value, (str, int, float, bool, type(None))):
        reason = f"the value is {shorten(value)}; text, a number, True, False or None is needed"
        raise SimulationError(where="context_is", reason=reason)
    return ContextField(_text("context_is", name), value, _key("context_is", key))


def effect(service: str, times: int = 1, key: str | None = None) -> Predicate:
    """Return a predicate: a service has had its effect.

    Parameters
    ----------
    service : its name
    times : how often at least; 1 or more
    key : for which instance; None for all instances together

    Raises
    ------
    SimulationError
        A name is not a non-empty string, or `times` is not a number from 1 on.
    """
    if type(times) is not int or times < 1:
        reason = f"times is {shorten(times)}; a whole number, 1 or more, is needed"
        raise SimulationError(where="effect", reason=reason)
    return Effect(_text("effect", service), times, _key("effect", key))


def dead_letter(event: str | None = None, key: str | None = None) -> Predicate:
    """Return a predicate: a message is in the dead-letter queue.

    Parameters
    ----------
    event : the event of the message; None for any
    key : the key of the instance; None for any

    Raises
    ------
    SimulationError
        A name is not a non-empty string.
    """
    return IsDeadLetter(_key("dead_letter", event), _key("dead_letter", key))


def waiting(event: str | None = None, key: str | None = None) -> Predicate:
    """Return a predicate: a message waits to be received.

    Parameters
    ----------
    event : the event of the message; None for any
    key : the key of the instance; None for any

    Raises
    ------
    SimulationError
        A name is not a non-empty string.
    """
    return Waiting(_key("waiting", event), _key("waiting", key))


def ended() -> Predicate:
    """Return a predicate: a run may end here, since nothing has to happen any more."""
    return Ended()


def _text(where: str, name: object) -> str:
    if not isinstance(name, str) or not name:
        reason = f"is given {shorten(name)}; a name that is not empty is needed"
        raise SimulationError(where=where, reason=reason)
    return name


def _key(where: str, name: object) -> str | None:
    return None if name is None else _text(where, name)
