"""What a simulation is about, as frozen values: pictures, tables and tests read these."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple

from settlesim.chart.strict_json import FrozenDict, JSONValue
from settlesim.sim.contexts import rest_words, with_history

__all__ = [
    "Criterion",
    "DeliveryView",
    "Ending",
    "Frame",
    "InstanceView",
    "Kind",
    "MessageView",
    "Step",
]


class Kind(enum.Enum):
    """What a step is; the value is the letter in its name."""

    RECEIVE = "r"
    LOAD = "l"
    CALL = "c"
    """A service comes back, or raises by itself."""
    EFFECT = "w"
    """A service has its effect on the world and has not come back yet. It is a step only where
    something runs beside the service."""
    DELAY = "a"
    """A delay passes inside a handler (``after``)."""
    FAIL = "f"
    """A service fails with an error from outside; costs one of the service failures."""
    TIMEOUT = "t"
    """A service runs out of time; costs one of the service failures. It is a step only where
    the chart does something else then than after an error."""
    SAVE = "s"
    SKIP = "i"
    """Nothing is to be saved: the event was ignored or rejected. An inbox notes it."""
    RELEASE = "g"
    """The event comes to no settled state: the handler raises and releases the message."""
    CONFLICT = "x"
    """The save is refused: another revision, or an old receipt."""
    DELETE = "d"
    CRASH = "k"
    EXPIRE = "e"
    """The visibility time-out passes while the delivery goes on."""
    DUE = "q"
    """A delay of a settled state is due: its message enters the queue."""
    DEPLOY = "v"
    """The later version of the chart takes over: workers that receive from now on have it."""
    DUPLICATE = "u"
    """The queue delivers a message again that was deleted."""
    ARRIVE = "n"
    """A new event arrives, where it makes a difference what is handled then."""

    @property
    def is_fault(self) -> bool:
        """Whether it costs some of a fault budget."""
        return self in _FAULTS

    @property
    def is_of_handler(self) -> bool:
        """Whether a handler takes it: no fault, no end of a delay, deployment or arrival."""
        return self not in _FAULTS and self not in {Kind.DUE, Kind.DEPLOY, Kind.ARRIVE}


_FAULTS: Final = frozenset({Kind.FAIL, Kind.TIMEOUT, Kind.CRASH, Kind.EXPIRE, Kind.DUPLICATE})


class Step(NamedTuple):
    """One action of one delivery of one message."""

    kind: Kind
    message: int
    """The message, from 1, in arrival order."""
    delivery: int = 1
    """The ordinal of the delivery of that message that it belongs to, from 1."""
    choice: int = 1
    """Which of several services or delays, or of several errors, from 1: in the order of their
    start. Of a receive: how many messages it receives."""

    @property
    def handler(self) -> tuple[int, int]:
        """Message and delivery."""
        return self.message, self.delivery

    @property
    def name(self) -> str:
        """Letter and message, with delivery and choice where they are not the first.

        Such as ``r1``, ``s2.2`` for a second delivery, and ``c1:2`` for the second of the services
        that run.
        """
        tail = "" if self.delivery == 1 else f".{self.delivery}"
        return f"{self.kind.value}{self.message}{tail}" + (
            "" if self.choice == 1 else f":{self.choice}"
        )


class InstanceView(NamedTuple):
    """One instance as it lies in the store."""

    key: str
    configuration: tuple[str, ...]
    context: FrozenDict
    """Secret values are hidden."""
    revision: int


class MessageView(NamedTuple):
    """One message as it lies in the queue."""

    message: int
    key: str
    event: str
    status: str
    """``visible``, ``in flight``, ``deleted`` or ``dead``; or what a policy has done with it:
    ``refused``, ``dropped``, ``cancelled`` or ``rolled back``; ``not sent`` before it arrives."""
    receives: int


class DeliveryView(NamedTuple):
    """One delivery that is being handled."""

    message: int
    delivery: int
    lane: int
    """The worker that it is drawn on, from 1: the smallest that was free."""
    loaded: int | None
    """The revision that it loaded; None before."""
    service: str | None
    """What it waits for: the service that runs now; several, and delays, are joined by ``+``."""
    owner: bool
    """Whether its receipt is still good: the newest, and the message is in flight."""
    inside: tuple[str, ...] = ()
    """Where it is by itself: the node whose service runs, or the leaves that it would save."""
    batch: tuple[int, ...] = ()
    """The messages that were received together; none where this one came alone."""
    leader: tuple[int, int] | None = None
    """Message and delivery of the first of them, after which the steps of all are named."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is there after one step of a schedule."""

    step: Step | None
    """None for the beginning."""
    text: str
    """The step in words, such as ``PAY: charge_card is done``."""
    enabled: tuple[Step, ...]
    """What may come next, in a fixed order."""
    store: tuple[InstanceView, ...]
    messages: tuple[MessageView, ...]
    """Those that were sent, in the order of the queue."""
    deliveries: tuple[DeliveryView, ...]
    effects: tuple[tuple[str, str, int], ...]
    """Key, service and message of every external effect so far, in order."""
    anomalies: tuple[str, ...]
    """The anomalies that this step brings, by name."""

    def message(self, number: int) -> MessageView:
        """Return a message by its number; a timer's is there only when it has been sent.

        Raises
        ------
        KeyError
            It is not there.
        """
        for each in self.messages:
            if each.message == number:
                return each
        raise KeyError(f"there is no message {number} yet")

    def key_of(self, number: int) -> str:
        """Return the key of the instance that a message is for."""
        return self.message(number).key


class Criterion(enum.Enum):
    """What an ending has to be, from weak to strong."""

    SERIALIZABLE = "serializable"
    """That of some serial order of whole handlers."""
    FIFO = "fifo"
    """That of handling the events one after another, in arrival order."""


@dataclass(frozen=True, slots=True)
class Ending:
    """One way in which everything can end: the identity is store, effects, dead letters."""

    store: tuple[tuple[str, tuple[str, ...], FrozenDict], ...]
    """Per instance: key, configuration, context."""
    effects: tuple[tuple[str, str, int], ...]
    """Key, service and message of every external effect, in order per key."""
    dead: tuple[int, ...]
    """The messages in the dead-letter queue, and those that are stranded by a deployment."""
    interleavings: int
    """How many interleavings have this ending, exactly."""
    probability: Fraction
    """How likely it is when each enabled step is equally likely."""
    fifo: bool | None
    """Whether it is the ending of handling one after another, in arrival order; None where that
    is not known."""
    serializable: bool | None
    """Whether it is the ending of some serial order; None where there are too many orders."""
    history: tuple[FrozenDict, ...] = ()
    """Per instance: what the history states of the chart remember, by their names."""
    excluded: tuple[int, ...] = ()
    """The events that were refused, dropped, cancelled or rolled back, by what `while_running` of
    the scenario says. They are in no serial run that it is compared with."""
    telling: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The fields that tell it apart from the other endings that it was found with, and from that
    of arrival order; none where the leaves do. See `rests`."""
    secret: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The fields whose values the chart does not show."""

    @property
    def rests(self) -> tuple[tuple[str, tuple[str, ...], dict[str, JSONValue]], ...]:
        """Per instance: key, configuration, and the fields that may tell endings apart.

        These are the fields of the context, and ``history NAME`` for what a history state
        remembers.
        """
        histories = self.history or (FrozenDict(),) * len(self.store)
        return tuple(
            (key, leaves, with_history(context, remembered))
            for (key, leaves, context), remembered in zip(self.store, histories, strict=True)
        )

    @property
    def label(self) -> str:
        """Where the instances rest, in a few words; of the fields those that tell endings apart."""
        return "; ".join(
            rest_words((leaves, fields), self.telling, self.secret)
            for _, leaves, fields in self.rests
        )
