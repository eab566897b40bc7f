"""The results of a simulation as frozen values, which pictures, tables and tests read."""

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
    """The kinds of steps; the value is the letter in a step's name."""

    RECEIVE = "r"
    LOAD = "l"
    CALL = "c"
    """A service comes back, or raises by itself."""
    EFFECT = "w"
    """A service has its effect on the world and has not come back yet. It is a step only if
    something else may happen before the service comes back."""
    DELAY = "a"
    """A delay passes inside a handler (``after``)."""
    FAIL = "f"
    """A service fails with an error from outside; uses one of the service failures."""
    TIMEOUT = "t"
    """A service runs out of time; uses one of the service failures. It is a step only if the chart
    then does something other than after an error."""
    SAVE = "s"
    SKIP = "i"
    """Nothing is saved, since the event was ignored or rejected. An inbox records the message."""
    RELEASE = "g"
    """The event reaches no settled state: the handler raises and releases the message."""
    CONFLICT = "x"
    """The save is refused: the revision is another one, or the receipt is no longer good."""
    DELETE = "d"
    CRASH = "k"
    EXPIRE = "e"
    """The visibility time-out passes while the handler continues."""
    DUE = "q"
    """A delay of a settled state is due: its message enters the queue."""
    DEPLOY = "v"
    """The later version of the chart takes over for all messages that are received from now on."""
    DUPLICATE = "u"
    """The queue delivers a message again that was deleted."""
    ARRIVE = "n"
    """An event arrives. It is a step only with a policy other than ``enqueue``."""

    @property
    def is_fault(self) -> bool:
        """Whether it uses up a part of a fault budget."""
        return self in _FAULTS

    @property
    def is_of_handler(self) -> bool:
        """Whether a handler takes the step: all except faults, `DUE`, `DEPLOY` and `ARRIVE`."""
        return self not in _FAULTS and self not in {Kind.DUE, Kind.DEPLOY, Kind.ARRIVE}


_FAULTS: Final = frozenset({Kind.FAIL, Kind.TIMEOUT, Kind.CRASH, Kind.EXPIRE, Kind.DUPLICATE})


class Step(NamedTuple):
    """One action of one delivery of one message."""

    kind: Kind
    message: int
    """The message, from 1, in arrival order."""
    delivery: int = 1
    """The ordinal of the message's delivery, from 1."""
    choice: int = 1
    """Which of several services, delays or errors it is, from 1, in the order of their start. For a
    receive: how many messages are received."""

    @property
    def handler(self) -> tuple[int, int]:
        """Message and delivery."""
        return self.message, self.delivery

    @property
    def name(self) -> str:
        """Letter and message, followed by delivery and choice unless they are the first.

        For example ``r1``, ``s2.2`` for a second delivery, and ``c1:2`` for the second of the
        running services.
        """
        tail = "" if self.delivery == 1 else f".{self.delivery}"
        return f"{self.kind.value}{self.message}{tail}" + (
            "" if self.choice == 1 else f":{self.choice}"
        )


class InstanceView(NamedTuple):
    """One instance as it is stored."""

    key: str
    configuration: tuple[str, ...]
    context: FrozenDict
    """Secret values are hidden."""
    revision: int


class MessageView(NamedTuple):
    """One message as it is in the queue."""

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
    """The number of the worker that pictures show for it: the smallest that was free, from 1."""
    loaded: int | None
    """The revision that it loaded; None before the load."""
    service: str | None
    """The services and delays that it waits for, joined by ``+``; None if it waits for none."""
    owner: bool
    """Whether its receipt is still good: it is the newest, and the message is in flight."""
    inside: tuple[str, ...] = ()
    """The unsaved state of the handler: the states whose services or delays run, or the leaves that
    it is about to save."""
    batch: tuple[int, ...] = ()
    """The messages that were received together; empty without batches."""
    leader: tuple[int, int] | None = None
    """Message and delivery of the first of the batch, after which the steps of all are named."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The state after one step of a schedule."""

    step: Step | None
    """None for the beginning."""
    text: str
    """The step in words, such as ``PAY: charge_card is done``."""
    enabled: tuple[Step, ...]
    """The steps that may come next, in a fixed order."""
    store: tuple[InstanceView, ...]
    messages: tuple[MessageView, ...]
    """The messages that were sent, in the order of the queue."""
    deliveries: tuple[DeliveryView, ...]
    effects: tuple[tuple[str, str, int], ...]
    """Key, service and message of every external effect so far, in order."""
    anomalies: tuple[str, ...]
    """The anomalies that this step brings, by name."""

    def message(self, number: int) -> MessageView:
        """Return a message by its number.

        Raises
        ------
        KeyError
            There is no such message, or it is a timer's and was not sent yet.
        """
        for each in self.messages:
            if each.message == number:
                return each
        raise KeyError(f"there is no message {number} yet")

    def key_of(self, number: int) -> str:
        """Return the key of the instance that a message is for."""
        return self.message(number).key


class Criterion(enum.Enum):
    """What is required of an ending; the weaker criterion comes first."""

    SERIALIZABLE = "serializable"
    """Some serial order of whole handlers has the same ending."""
    FIFO = "fifo"
    """Handling the events one after another, in arrival order, has the same ending."""


@dataclass(frozen=True, slots=True)
class Ending:
    """One possible final result of a scenario: what is stored, the effects and the dead letters."""

    store: tuple[tuple[str, tuple[str, ...], FrozenDict], ...]
    """Per instance: key, configuration, context."""
    effects: tuple[tuple[str, str, int], ...]
    """Key, service and message of every external effect, in order per key."""
    dead: tuple[int, ...]
    """The messages in the dead-letter queue, and those that are stranded by a deployment."""
    interleavings: int
    """The exact number of interleavings that have this ending."""
    probability: Fraction
    """Its probability when each enabled step is equally likely."""
    fifo: bool | None
    """Whether handling the events one after another, in arrival order, has this ending; None if
    that is not known."""
    serializable: bool | None
    """Whether some serial order has this ending; None if that is not known."""
    history: tuple[FrozenDict, ...] = ()
    """Per instance: what the history states of the chart remember, by their names."""
    excluded: tuple[int, ...] = ()
    """The events that the scenario's `while_running` refused, dropped, cancelled or rolled back.
    They are in no serial run that the ending is compared with."""
    telling: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The fields of `rests` that tell the ending apart from the others found with it, and from that
    of arrival order. Empty if the leaves do that."""
    secret: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """The fields whose values are hidden, as the chart says."""

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
        """The states of the instances in a few words, with the fields that tell endings apart."""
        return "; ".join(
            rest_words((leaves, fields), self.telling, self.secret)
            for _, leaves, fields in self.rests
        )
