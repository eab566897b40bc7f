"""`Property`: a question about every run of a scenario, as a value.

Rules
-----
A *run* is a schedule from the beginning to a state in which everything may end. The predicate *p*
and the premise *when* are evaluated on the `Observation` of a state. Without *when* the premise is
true.

1. ``always(p)``: in every reachable state in which *when* holds, *p* holds.
2. ``never(p)``: in no reachable state do *when* and *p* hold together.
3. ``eventually(p)``: every run reaches a state in which *p* holds. With *when*: from every state
   in which *when* holds, every run reaches a state in which *p* holds; that state itself counts.
4. ``sometimes(p)``: there is a reachable state in which *when* and *p* hold together.
5. With ``at_end`` only the last state of each run counts.

Every run is finite, since every step uses something up. That includes refused saves: one comes only
after another handler's save, so no handler retries without end. When a run ends, every accepted
event has been handled or is a dead letter. So no event starves, and ``eventually`` needs no
assumption of fairness.

References
----------
Lamport, "Proving the correctness of multiprocess programs", IEEE TSE 3(2), 1977 (safety and
liveness). Beer, Ben-David, Eisner, Rodeh, "Efficient detection of vacuity in ACTL formulas",
FMSD 18(2), 2001.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from settlesim.errors import SimulationError, shorten
from settlesim.sim.observation import Observation, Vocabulary
from settlesim.sim.predicate_text import parse_predicate
from settlesim.sim.predicates import Predicate

__all__ = [
    "Property",
    "PropertyKind",
    "Question",
    "always",
    "checked_properties",
    "eventually",
    "never",
    "sometimes",
]

Question: TypeAlias = Callable[[Observation], bool]
"""A predicate, or a pure function written in Python."""


class PropertyKind(enum.Enum):
    """The kinds of properties."""

    ALWAYS = "always"
    NEVER = "never"
    EVENTUALLY = "eventually"
    SOMETIMES = "sometimes"


@dataclass(frozen=True, slots=True)
class Property:
    """A question about every run of a scenario.

    Made by `always`, `never`, `eventually` and `sometimes`.
    """

    kind: PropertyKind
    name: str
    predicate: Question
    when: Question | None = None
    """The premise; None for every state."""
    at_end: bool = False
    """Whether only the last state of each run counts."""

    @property
    def functions(self) -> tuple[Question, ...]:
        """The predicate and, if there is one, the premise."""
        return (self.predicate,) if self.when is None else (self.predicate, self.when)

    @property
    def reads_revision(self) -> bool:
        """Whether it may read the revision of an instance: functions may, predicates do not."""
        return not all(isinstance(each, Predicate) for each in self.functions)

    @property
    def atoms(self) -> tuple[Predicate, ...]:
        """The parts of its predicates, each once; functions have no known parts."""
        parts = (each for each in self.functions if isinstance(each, Predicate))
        return tuple(dict.fromkeys(atom for each in parts for atom in each.atoms()))

    def to_dict(self) -> dict[str, Any]:
        """Return the property as plain JSON; a function is represented by its name only."""
        return {
            "kind": self.kind.value,
            "name": self.name,
            "predicate": _written(self.predicate),
            "when": None if self.when is None else _written(self.when),
            "at_end": self.at_end,
        }

    @classmethod
    def from_dict(cls, record: Any, names: Vocabulary) -> Property:
        """Read a mapping such as `to_dict` writes.

        Raises
        ------
        SimulationError
            The record is no property, or was written from one with a Python function, which JSON
            does not contain.
        """
        if not isinstance(record, dict) or set(record) != {
            "kind", "name", "predicate", "when", "at_end",
        }:  # fmt: skip
            raise SimulationError(where="properties", reason=f"{shorten(record)} is no property")
        kinds = {each.value: each for each in PropertyKind}
        if record["kind"] not in kinds:
            reason = f"unknown kind {shorten(record['kind'])}; known are {', '.join(kinds)}"
            raise SimulationError(where="properties", reason=reason)
        texts = [record["predicate"], record["when"]]
        predicate, when = (None if each is None else _read(each, names) for each in texts)
        assert predicate is not None
        return cls(kinds[record["kind"]], record["name"], predicate, when, record["at_end"])

    def __str__(self) -> str:
        text = f"{self.kind.value} {self.name}"
        return f"{text}, at the end" if self.at_end else text

    def __repr__(self) -> str:
        parts = [repr(self.name), repr(self.predicate)]
        parts += [f"when={self.when!r}"] * (self.when is not None)
        parts += ["at_end=True"] * self.at_end
        return f"{self.kind.value}({', '.join(parts)})"


def _written(function: Question) -> Any:
    if isinstance(function, Predicate):
        return str(function)
    return {"function": getattr(function, "__qualname__", type(function).__qualname__)}


def _read(text: Any, names: Vocabulary) -> Predicate:
    if isinstance(text, dict):
        reason = (
            f"{shorten(text.get('function'))} is a function of Python, which JSON does not carry; "
            "leave the properties out, and give them by `replace(properties=[...])`"
        )
        raise SimulationError(where="properties", reason=reason)
    return parse_predicate(text, names)


# --- making properties --------------------------------------------------------------------


def always(
    name: str, predicate: Question, *, when: Question | None = None, at_end: bool = False
) -> Property:
    """Return a property: a predicate holds in every reachable state.

    Parameters
    ----------
    name : what the property is called in reports and pictures
    predicate : a pure function from an `Observation` to True or False
    when : the premise: only states in which it holds are judged; None for all
    at_end : whether only the last state of each run is judged

    Raises
    ------
    SimulationError
        The name is not a line of text, or `predicate` or `when` is no function.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> from settlesim.sim import Scenario, effect, explore, in_state
    >>> paid = always("shipped is paid for", effect("charge_card"), when=in_state("shipped"))
    >>> explore(Scenario(order, ["PAY", "SHIP"], properties=[paid])).properties[0].verdict
    <Verdict.PROVED: 'proved'>
    """
    return _made(PropertyKind.ALWAYS, name, predicate, when, at_end)


def never(
    name: str, predicate: Question, *, when: Question | None = None, at_end: bool = False
) -> Property:
    """Return a property: a predicate holds in no reachable state.

    The parameters and errors are those of `always`.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> from settlesim.sim import Scenario, effect, explore
    >>> both = never("label and refund", effect("print_label") & effect("refund_card"))
    >>> events = ["PAY", "SHIP", "CANCEL"]
    >>> explore(Scenario(order, events, properties=[both])).properties[0].verdict
    <Verdict.REFUTED: 'refuted'>
    """
    return _made(PropertyKind.NEVER, name, predicate, when, at_end)


def eventually(name: str, predicate: Question, *, when: Question | None = None) -> Property:
    """Return a property: every run reaches a state in which a predicate holds.

    Parameters
    ----------
    name, predicate : as those of `always`
    when
        The premise: whenever it holds, the predicate has to hold then or later. Without it the
        predicate has to hold at least once in every run.

    Raises
    ------
    SimulationError
        As `always`.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> from settlesim.sim import Scenario, explore, in_state
    >>> paid = eventually("paid", in_state("paid"))
    >>> results = [
    ...     explore(Scenario(order, events, properties=[paid])).properties[0].verdict.value
    ...     for events in (["PAY"], ["PAY", "CANCEL"])
    ... ]
    >>> results
    ['proved', 'refuted']
    """
    return _made(PropertyKind.EVENTUALLY, name, predicate, when, at_end=False)


def sometimes(
    name: str, predicate: Question, *, when: Question | None = None, at_end: bool = False
) -> Property:
    """Return a property: there is a reachable state in which a predicate holds.

    The parameters and errors are those of `always`. The witness is the shortest schedule to such a
    state.

    Examples
    --------
    >>> from settlesim.gallery import order
    >>> from settlesim.sim import Scenario, explore, in_state
    >>> paid = sometimes("paid", in_state("paid"))
    >>> print(explore(Scenario(order, ["PAY"], properties=[paid])).properties[0].schedule)
    r1 l1 c1 s1
    """
    return _made(PropertyKind.SOMETIMES, name, predicate, when, at_end)


def _made(
    kind: PropertyKind, name: object, predicate: object, when: object, at_end: object
) -> Property:
    where = kind.value
    if not isinstance(name, str) or not name.strip() or "\n" in name:
        reason = f"is given {shorten(name)}; the first argument is a name, one line of text"
        raise SimulationError(where=where, reason=reason)
    if type(at_end) is not bool:
        reason = f"at_end is {shorten(at_end)}; True or False is needed"
        raise SimulationError(where=f"{where} {name!r}", reason=reason)
    for argument, given in (("predicate", predicate), ("when", when)):
        if given is None and argument == "when":
            continue
        if not callable(given):
            reason = f"{argument} is {shorten(given)}; a predicate, or a function, is needed"
            raise SimulationError(where=f"{where} {name!r}", reason=reason)
        if inspect.iscoroutinefunction(given):
            reason = f"{argument} is a coroutine function; a plain one is needed"
            raise SimulationError(where=f"{where} {name!r}", reason=reason)
    return Property(kind, name, predicate, when, at_end)  # type: ignore[arg-type]


def checked_properties(given: object, names: Vocabulary) -> tuple[Property, ...]:
    """Return the properties of a scenario, as values.

    Raises
    ------
    SimulationError
        An element is no property, two have the same name, or one uses a name that the scenario does
        not have.
    """
    if not isinstance(given, Iterable) or isinstance(given, (str, dict)):
        reason = f"is {shorten(given)}; a list such as [never(name, predicate)] is needed"
        raise SimulationError(where="properties", reason=reason)
    found = [each if isinstance(each, Property) else Property.from_dict(each, names)
             for each in given]  # fmt: skip
    for place, each in enumerate(found):
        where = f"{each.kind.value} {each.name!r}"
        if any(other.name == each.name for other in found[:place]):
            raise SimulationError(where=where, reason="is the name of two properties")
        parts = [part for part in each.functions if isinstance(part, Predicate)]
        problems = [problem for part in parts for problem in part.problems(names)]
        if problems:
            raise SimulationError(where=where, reason="; ".join(dict.fromkeys(problems)))
    return tuple(found)
