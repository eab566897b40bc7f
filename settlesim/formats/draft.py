"""A chart while it is being read: states that point at each other, before they have names.

Every reader builds drafts, and `settlesim.formats.assembly` makes one chart of them; so only the
reader has to know the ids, paths and names of its format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from settlesim.chart.parser import MAX_NODES, MAX_TRANSITIONS
from settlesim.errors import ReadError, shorten

__all__ = ["Document", "Draft", "DraftKind", "Invoked", "Route"]

_MAX_SHOWN: Final = 60

DraftKind = Literal["state", "parallel", "final", "history"]


@dataclass(eq=False, slots=True)
class Route:
    """One transition."""

    event: str = ""
    targets: list[Draft] = field(default_factory=list)
    """The destinations; empty for a transition that leaves and enters no state."""
    reenter: bool = True
    """Whether the source is left even if every target is the source or inside it."""
    conditions: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    label: str | None = None


@dataclass(eq=False, slots=True)
class Invoked:
    """One service of a state."""

    src: str
    id: str = ""
    input: Any = None
    timeout: float | None = None
    retry: list[dict[str, Any]] = field(default_factory=list)
    """As in a chart."""
    on_done: list[Route] = field(default_factory=list)
    on_error: list[Route] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Draft:
    """One state; the root stands for the whole document."""

    key: str
    parent: Draft | None = None
    kind: DraftKind = "state"
    deep: bool = False
    """For a history state: whether it restores what was inside the children too."""
    children: list[Draft] = field(default_factory=list)
    initial: Draft | None = None
    """The state that is entered by default: a child or one inside it. For a history state: the
    state that it stands for at first."""
    more_initial: list[Draft] = field(default_factory=list)
    """What is entered together with `initial`, in other regions."""
    routes: list[Route] = field(default_factory=list)
    always: list[Route] = field(default_factory=list)
    after: list[tuple[float, list[Route]]] = field(default_factory=list)
    on_done: list[Route] = field(default_factory=list)
    invoke: list[Invoked] = field(default_factory=list)
    entry: list[str] = field(default_factory=list)
    exit: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    label: str | None = None
    name: str = ""
    """The full name in the chart; `assembly` gives it."""
    by_key: dict[str, Draft] = field(default_factory=dict)

    def add(self, key: str, kind: DraftKind = "state") -> Draft:
        """Return a new child."""
        child = Draft(key, self, kind)
        self.children.append(child)
        self.by_key.setdefault(key, child)
        return child

    def __repr__(self) -> str:
        return f"Draft({self.path!r})"

    @property
    def path(self) -> str:
        """The keys from the root down, for messages."""
        keys = [self.key]
        keys += [around.key for around in self.above() if around.parent is not None]
        return ".".join(
            key
            if key.strip() and key.isprintable() and len(key) <= _MAX_SHOWN
            else shorten(key, _MAX_SHOWN)
            for key in reversed(keys)
        )

    def above(self) -> Iterator[Draft]:
        """Yield the states around it, innermost first."""
        around = self.parent
        while around is not None:
            yield around
            around = around.parent

    def is_inside(self, other: Draft) -> bool:
        """Whether it is a proper descendant."""
        return other in self.above()

    def every(self) -> Iterator[Draft]:
        """Yield it and all states inside it in document order."""
        waiting = [self]
        while waiting:
            draft = waiting.pop()
            yield draft
            waiting.extend(reversed(draft.children))

    def all_routes(self) -> Iterator[Route]:
        """Yield every transition that starts here."""
        yield from self.routes
        yield from self.always
        for _, routes in self.after:
            yield from routes
        for service in self.invoke:
            yield from service.on_done
            yield from service.on_error
        yield from self.on_done


@dataclass(eq=False, slots=True)
class Document:
    """What a reader makes of a file."""

    root: Draft
    format: str
    """The format for people to read, such as ``XState v5 JSON``."""
    name: str | None = None
    context: Any = None
    settings: dict[str, Any] = field(default_factory=dict)
    """Further settings of the chart, by its keys."""
    notes: list[str] = field(default_factory=list)
    """Sentences about what was assumed."""
    asked: dict[str, Draft] = field(default_factory=dict)
    """The states that guards ask for, by the placeholder for the guard's name."""
    counted: int = 0
    routes: int = 0

    def asks_for(self, draft: Draft) -> str:
        """Return a placeholder for the guard ``In(state)``, as the state has no name yet."""
        name = f"\0{id(draft)}"  # no document has such a name
        self.asked[name] = draft
        return name

    def count(self) -> None:
        """Count a state; refuse more than a chart may have."""
        self.counted += 1
        if self.counted > MAX_NODES:
            raise ReadError(source=self.format, reason=f"has more than {MAX_NODES} states")

    def count_route(self) -> None:
        """Count a transition; refuse more than a chart may have."""
        self.routes += 1
        if self.routes > MAX_TRANSITIONS:
            raise ReadError(
                source=self.format, reason=f"has more than {MAX_TRANSITIONS} transitions"
            )
