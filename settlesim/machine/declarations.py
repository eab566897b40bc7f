"""What a hierarchical machine declares inside its states, and where it then differs from a chart.

Theory of operation
-------------------
`transitions` 0.9 tries what is declared inside a state before what is declared around it, once
per active region; a chart tries the innermost source of every region, once. Where the results can
differ, `differences` says so in a sentence. Everywhere else they agree: the chart's own machine
runs the same code with all transitions declared outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from transitions import State, Transition

from settlesim.errors import shorten

__all__ = ["Declared", "Path", "differences"]

Path = tuple[str, ...]

_MAX_COMPARED: Final = 300
"""How many transitions of one trigger are compared with each other."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One transition, with the state inside which it is declared."""

    scope: Path
    trigger: str
    source: Path
    """The full path."""
    dest: Path | None
    """The full path; None for an internal transition."""
    transition: Transition

    @property
    def place(self) -> str:
        """How sentences name it."""
        names = [".".join(path[len(self.scope) :]) for path in (self.source, self.dest or ())]
        inside = f" inside {shorten('.'.join(self.scope))}" if self.scope else ""
        to = f" to {shorten(names[1])}" if self.dest is not None else ""
        return f"transition {shorten(self.trigger)}{inside} from {shorten(names[0])}{to}"

    @property
    def has_functions(self) -> bool:
        """Whether it has guards or callbacks."""
        each = self.transition
        return bool(each.conditions or each.prepare or each.before or each.after)


def is_parallel(state: Any) -> bool:
    """Whether a state has regions."""
    initial = getattr(state, "initial", None)
    return isinstance(initial, (list, tuple)) and len(initial) > 1


def differences(declared: Sequence[Declared], states: Mapping[Path, State]) -> Iterator[str]:
    """Yield sentences on where the machine may differ from a chart with the same transitions."""
    inner = [each for each in declared if each.scope]
    if inner:
        look = _Look(declared, states)
        for each in inner:
            yield from look.entered_again(each)
        for trigger in dict.fromkeys(each.trigger for each in inner):
            yield from look.tried_twice(trigger)
            yield from look.order(trigger)
    for path, state in states.items():
        if is_parallel(state) and _may_be_final(list(state.states.values())[-1]):  # type: ignore[attr-defined]
            yield (
                f"that the machine takes {shorten('.'.join(path))} for final, or fails, when its "
                "last region is final and another is not: the chart waits for all regions"
            )


def _may_be_final(state: Any) -> bool:
    inside = getattr(state, "states", {})
    return any(map(_may_be_final, inside.values())) if inside else bool(state.final)


class _Look:
    def __init__(self, declared: Sequence[Declared], states: Mapping[Path, State]) -> None:
        self._states = states
        self._by_trigger: dict[str, list[Declared]] = {}
        for each in declared:
            self._by_trigger.setdefault(each.trigger, []).append(each)
        self._calls = any(each.has_functions for each in declared) or any(
            state.on_enter or state.on_exit for state in states.values()
        )

    # --- a destination more than one level below -------------------------------------------

    def entered_again(self, each: Declared) -> Iterator[str]:
        """Name states that the machine leaves and enters again, while the chart does not."""
        depth = len(each.scope)
        if each.dest is None or len(each.dest) < depth + 2:
            return
        if each.dest[depth] == each.scope[0]:
            yield (
                f"what the machine does in {each.place}: {shorten(each.dest[depth])} is the name "
                "of two states of which one is inside the other, and it fails; rename one"
            )
            return
        kept = _shared(each.source, each.dest[:-1])
        if len(kept) == len(each.source):
            kept = each.dest[:-1]  # which states are active inside the source is not known
        for length in range(depth + 1, len(kept) + 1):
            path = kept[:length]
            state = self._states[path]
            name = shorten(".".join(path))
            if is_parallel(state):
                yield f"that {each.place} takes the machine out of the other regions of {name}"
            elif state.on_enter or state.on_exit:
                yield (
                    f"that {each.place} leaves {name} in the machine and enters it again: in the "
                    f"chart it stays; declare it inside {name}"
                )

    # --- a state with regions ---------------------------------------------------------------

    def tried_twice(self, trigger: str) -> Iterator[str]:
        """Name triggers that the machine tries once per region, if the second time may matter."""
        scopes = dict.fromkeys(each.scope for each in self._by_trigger[trigger] if each.scope)
        for scope in scopes:
            mine = [each for each in self._by_trigger[trigger] if each.scope == scope]
            if is_parallel(self._states[scope]) and self._may_fire_again(mine):
                name = shorten(".".join(scope))
                yield (
                    f"that the machine tries trigger {shorten(trigger)}, declared inside {name}, "
                    "once for each region and may fire it more than once: a chart fires it once; "
                    "declare it inside the regions"
                )

    def _may_fire_again(self, mine: Iterable[Declared]) -> bool:
        mine = list(mine)
        if any(each.dest is None for each in mine):
            return True
        if any(each.transition.conditions or each.transition.prepare for each in mine):
            return True
        sources = {each.source for each in mine}
        around = {source[:length] for source in sources for length in range(1, len(source) + 1)}
        # What may be active after a transition: around the destination, and inside it.
        return any(
            each.dest in around
            or any(each.dest[:length] in sources for length in range(1, len(each.dest)))
            for each in mine
            if each.dest is not None
        )

    # --- the order --------------------------------------------------------------------------

    def order(self, trigger: str) -> Iterator[str]:
        """Name triggers that the machine tries in another order than a chart."""
        found = self._by_trigger[trigger]
        if len(found) > _MAX_COMPARED:
            yield self._regions(trigger, f"there are {len(found)}, and they were not compared")
            return
        for inner in found:
            for outer in found:
                if _is_inside(inner.scope, outer.scope) and inner.source != outer.source:
                    above = _is_inside(outer.source, inner.source)
                    if above or self._beside(inner.source, outer.source):
                        yield self._order(inner, outer)
        scopes = list(dict.fromkeys(each.scope for each in found))
        for scope in scopes:
            beside = [each for each in scopes if self._beside(scope, each)]
            if any(_is_inside(other, each) for each in beside for other in beside):
                yield self._regions(trigger, "it is declared on several levels of one region")
            elif beside and self._calls and self._depths_differ(found, [scope, *beside]):
                yield self._regions(trigger, "the sources are not equally deep")

    def _order(self, inner: Declared, outer: Declared) -> str:
        return (
            f"the order of trigger {shorten(inner.trigger)}: it is declared inside "
            f"{shorten('.'.join(inner.scope))} and outside of it for "
            f"{shorten('.'.join(outer.source))}; the machine tries the inner declaration first, "
            "the chart the innermost source of every region"
        )

    def _regions(self, trigger: str, why: str) -> str:
        return (
            f"the order of trigger {shorten(trigger)} in the regions that declare it: {why}; the "
            "machine goes region by region, the chart from the innermost source outwards"
        )

    def _beside(self, one: Path, other: Path) -> bool:
        """Whether two states are in different regions of one parallel state."""
        shared = _shared(one, other)
        return len(shared) < min(len(one), len(other)) and is_parallel(self._states.get(shared))

    def _depths_differ(self, found: Iterable[Declared], scopes: Sequence[Path]) -> bool:
        return len({len(each.source) for each in found if each.scope in scopes}) > 1


def _is_inside(path: Path, around: Path) -> bool:
    return len(path) > len(around) and path[: len(around)] == around


def _shared(one: Path, other: Path) -> Path:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return one[:length]
