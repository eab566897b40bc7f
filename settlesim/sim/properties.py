"""`Property`: a question about every run of a scenario, as a value.

Rules
-----
A *run* is a schedule from the beginning to a state in which everything may end. A predicate *p* is
asked about the `Observation` of a state, and so is the premise *when*, which is true unless it is
given.

1. ``always(p)``: in every state that can be reached, where *when* holds, *p* holds.
2. ``never(p)``: in no state that can be reached do *when* and *p* hold together.
3. ``eventually(p)``: every run reaches a state in which *p* holds. With *when*: from every state
   in which *when* holds, every run reaches a state in which *p* holds; that state itself counts.
4. ``sometimes(p)``: some state can be reached in which *when* and *p* hold together.
5. With ``at_end`` only the states count in which a run ends.

Every run is finite, since every step uses something up: a refused save, too, comes only after
another handler's save, so no handler retries without end. A run that ends has handled or buried
every accepted event. So no event starves, and ``eventually`` needs no other fairness.

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
    """What is said of the states in which a predicate holds."""

    ALWAYS = "always"
    NEVER = "never"
    EVENTUALLY = "eventually"
    SOMETIMES = "sometimes"


@dataclass(frozen=True, slots=True)
class Property:
    """A question about every run of a scenario; `always` and its sisters make one."""

    kind: PropertyKind
    name: str
    predicate: Question
    when: Question | None = None
    """The premise; None for every state."""
    at_end: bool = False
    """Whether only the states count in which a run ends."""

    @property
    def functions(self) -> tuple[Question, ...]:
        """The predicate and, where there is one, the premise."""
        return (self.predicate,) if self.when is None else (self.predicate, self.when)

    @property
    def reads_revision(self) -> bool:
        """Whether it may look at the revision of an instance: a function may, no predicate does."""
        return not all(isinstance(each, Predicate) for each in self.functions)

    @property
    def atoms(self) -> tuple[Predicate, ...]:
        """The parts of its predicates, each once; nothing is known of functions."""
        parts = (each for each in self.functions if isinstance(each, Predicate))
        return tuple(dict.fromkeys(atom for each in parts for atom in each.atoms()))

    def to_dict(self) -> dict[str, Any]:
        """Return the property as plain JSON; of a function its name is written, for people."""
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
            It is none, or has a function of Python: that is not in the JSON.
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


# --- making them --------------------------------------------------------------------------


def always(
    name: str, predicate: Question, *, when: Question | None = None, at_end: bool = False
) -> Property:
    """Say that a predicate holds in every state that can be reached.

    Parameters
    ----------
    name : what the property is called in reports and pictures
    predicate : from an `Observation` to True or False; a pure function
    when : the premise: only states are judged where it holds; None for all
    at_end : whether only the states are judged in which a run ends

    Raises
    ------
    SimulationError
        A name that is no text, or something that is no function.

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
    """Say that a predicate holds in no state that can be reached.

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
    """Say that every run reaches a state in which a predicate holds.

    Parameters
    ----------
    name, predicate : as those of `always`
    when
        After every state in which it holds, the predicate holds then or later. None for once in
        every run.

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
    """Say that a predicate holds in some state that can be reached.

    The parameters and errors are those of `always`. The shortest schedule to such a state is its
    witness.

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
        Something that is none, a name that two have, or a name that the scenario does not know.
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
