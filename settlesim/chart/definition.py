"""The values a chart is made of: states, transitions, invocations, delays."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from settlesim.chart.strict_json import JSONValue

__all__ = [
    "ANY_EVENT",
    "DEFAULT_TAGS",
    "EVENTLESS",
    "RESERVED_PREFIXES",
    "Delay",
    "HistoryType",
    "Invocation",
    "Node",
    "NodeKind",
    "Retry",
    "SettlingTags",
    "Transition",
    "TransitionKind",
]

EVENTLESS: Final = ""
"""The trigger of a transition that needs no event."""

ANY_EVENT: Final = "*"
"""The event descriptor that every event matches (SCXML 1.0, section 3.12.1)."""

RESERVED_PREFIXES: Final = ("done.", "error.", "after.", "_settlesim")
"""What the name of an external event may not begin with (SCXML 1.0, section 3.12.1)."""


HistoryType: TypeAlias = Literal["shallow", "deep"]
"""Whether a history state remembers the children of its parent, or the leaves inside it."""


class NodeKind(enum.Enum):
    """What a state is made of (SCXML 1.0, sections 3.3, 3.4, 3.7 and 3.10)."""

    ATOMIC = "atomic"
    COMPOUND = "compound"
    PARALLEL = "parallel"
    FINAL = "final"
    HISTORY = "history"
    """Stands for what was active in its parent when that was left; never active itself."""


class TransitionKind(enum.Enum):
    """What makes a transition fire."""

    EXTERNAL = "external"
    """An event from outside."""
    EVENTLESS = "eventless"
    """Nothing: it fires as soon as its guards hold."""
    DONE = "done"
    """A service of the source state has returned a result."""
    ERROR = "error"
    """A service of the source state failed or ran out of time."""
    AFTER = "after"
    """The source state was active for a number of seconds."""
    FINISHED = "finished"
    """Every active leaf below the source state is final."""


_KINDS: Final = (
    ("done.invoke.", TransitionKind.DONE),
    ("error.invoke.", TransitionKind.ERROR),
    ("after.", TransitionKind.AFTER),
    ("done.state.", TransitionKind.FINISHED),
)


@dataclass(frozen=True, slots=True)
class Transition:
    """One edge of the chart: from one source state, under one trigger."""

    trigger: str
    """The event's name, `EVENTLESS`, or a reserved name such as ``done.invoke.work.0``."""
    source: str
    """The full name of the source state."""
    dest: str | None
    """The full name of the (first) destination; None for a transition that leaves no state."""
    conditions: tuple[str, ...] = ()
    """Guards that all have to hold."""
    unless: tuple[str, ...] = ()
    """Guards of which none may hold."""
    prepare: tuple[str, ...] = ()
    """Assigns that run before the guards are asked."""
    before: tuple[str, ...] = ()
    """Assigns that run when the transition fires, before the source is left."""
    assign: tuple[str, ...] = ()
    """Assigns that run after those of `before`."""
    after: tuple[str, ...] = ()
    """Assigns that run when the destination was entered."""
    label: str | None = None
    """What a picture shows in place of the trigger."""
    more: tuple[str, ...] = ()
    """The full names of further destinations, in other parallel regions."""
    internal: bool = False
    """Whether the source stays active if every destination is the source or inside it."""

    @property
    def dests(self) -> tuple[str, ...]:
        """All destinations."""
        return () if self.dest is None else (self.dest, *self.more)

    @property
    def kind(self) -> TransitionKind:
        """What makes this transition fire."""
        if self.trigger == EVENTLESS:
            return TransitionKind.EVENTLESS
        for prefix, kind in _KINDS:
            if self.trigger.startswith(prefix):
                return kind
        return TransitionKind.EXTERNAL

    @property
    def guards(self) -> tuple[str, ...]:
        """Every guard that this transition asks, in order."""
        return self.conditions + self.unless

    @property
    def assigns(self) -> tuple[str, ...]:
        """Every function of this transition that may change the context, in order."""
        return self.prepare + self.before + self.assign + self.after


@dataclass(frozen=True, slots=True)
class Retry:
    """When a service that failed is called again (Amazon States Language, "Retry")."""

    attempts: int = 3
    """How often the service is called at most, the first call included; 1 or more."""
    seconds: float = 1.0
    """The wait before the second call, >= 0."""
    factor: float = 2.0
    """What each wait is multiplied by for the next one, >= 1."""
    max_seconds: float | None = None
    """The longest wait, > 0; None for no limit."""
    jitter: float = 0.0
    """The share of a wait that is random, from 0 (nothing) to 1 (all of it)."""
    seed: int = 0
    """The seed of the random share, together with the instance and the call."""
    errors: tuple[str, ...] = ()
    """The types of errors to which it applies, as ``on_error`` sees them; empty for all."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """An asynchronous service that runs while its state is active (SCXML 1.0, section 6.4)."""

    id: str
    """The state's full name, a dot, and the position among the state's invocations."""
    src: str
    """The name of the service."""
    input: JSONValue = None
    """What the service is given as ``call.input``."""
    on_done: tuple[Transition, ...] = ()
    """What a result triggers; the first whose guards hold fires."""
    on_error: tuple[Transition, ...] = ()
    """What a failure or a time-out triggers."""
    timeout: float | None = None
    """Seconds until the service counts as failed; None for the interpreter's default."""
    effect: bool = True
    """Whether the service changes the world outside, so that running it twice matters."""
    retry: tuple[Retry, ...] = ()
    """The first one that applies to an error decides whether the service is called again."""

    @property
    def done_trigger(self) -> str:
        """The reserved trigger of `on_done`."""
        return f"done.invoke.{self.id}"

    @property
    def error_trigger(self) -> str:
        """The reserved trigger of `on_error`."""
        return f"error.invoke.{self.id}"


@dataclass(frozen=True, slots=True)
class Delay:
    """Transitions of a state that may fire once it has been active for some time (``after``)."""

    id: str
    """The state's full name, a dot, and the position among the state's delays."""
    seconds: float
    """How long the state has to be active, > 0."""
    transitions: tuple[Transition, ...]
    """The first whose guards hold then fires."""

    @property
    def trigger(self) -> str:
        """The reserved trigger of the delay."""
        return f"after.{self.id}"


@dataclass(frozen=True, slots=True)
class Node:
    """One state of the chart."""

    name: str
    """The full name: the names from the root down, joined by dots."""
    kind: NodeKind
    parent: str | None = None
    children: tuple[str, ...] = ()
    """Full names, in document order."""
    initial: str | None = None
    """The child that is entered with a compound state; None where it is entered without one."""
    initial_states: tuple[str, ...] = ()
    """Full names of the states entered with a compound state; empty if that is just `initial`."""
    tags: tuple[str, ...] = ()
    invoke: tuple[Invocation, ...] = ()
    after: tuple[Delay, ...] = ()
    on_done: tuple[Transition, ...] = ()
    """What fires when every active leaf below a compound or parallel state is final."""
    on_enter: tuple[str, ...] = ()
    """Assigns that run when the state is entered."""
    on_exit: tuple[str, ...] = ()
    """Assigns that run when the state is left."""
    on_final: tuple[str, ...] = ()
    """Assigns that run when the state becomes final."""
    label: str | None = None
    """What a picture shows in place of the name."""
    history: HistoryType | None = None
    """What a history state remembers; None for every other state."""
    default: tuple[str, ...] = ()
    """Full names of the states that a history state stands for until its parent is first left.
    Empty for those entered with the parent."""

    @property
    def local_name(self) -> str:
        """The last part of the name."""
        return self.name.rpartition(".")[2]

    @property
    def is_leaf(self) -> bool:
        """Whether the state has no children."""
        return not self.children


@dataclass(frozen=True, slots=True)
class SettlingTags:
    """Which tags say that a state is settled."""

    resolved: tuple[str, ...] = ("settled", "resolve")
    rejected: tuple[str, ...] = ("reject",)
    all: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "all", frozenset(self.resolved) | frozenset(self.rejected))


DEFAULT_TAGS: Final = SettlingTags()
"""``settled`` and ``resolve`` for RESOLVED, ``reject`` for REJECTED (serverless-xstate)."""
