"""Scenarios, and schedules played by hand: frames for pictures, without the simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from settlesim.chart import Chart
from settlesim.chart.strict_json import FrozenDict
from settlesim.sim import Scenario
from settlesim.sim.terms import DeliveryView, Frame, InstanceView, Kind, MessageView, Step

REACTIONS: dict[tuple[str, str], tuple[str | None, str]] = {
    ("new", "PAY"): ("charge_card", "paid"),
    ("new", "CANCEL"): (None, "cancelled"),
    ("paid", "SHIP"): ("print_label", "shipped"),
}
TWO = (("order-1", "PAY"), ("order-1", "SHIP"))

LOST = "r1 l1 c1 r2 l2 s2 d2 s1 d1"
SERIAL = "r1 l1 c1 s1 d1 r2 l2 c2 s2 d2"
EARLY = "r1 l1 c1 r2 l2 s1 i2 d1 d2"
ZOMBIE = "r1 l1 c1 e1 r1.2 l1.2 c1.2 s1.2 d1.2 r2 l2 c2 s2 d2 s1 d1"
CRASH = "r1 l1 c1 k1 r1.2 l1.2 c1.2 s1.2 d1.2 u1 r1.3 l1.3 i1.3 d1.3"


def scenario(chart: Chart, events: Any, **options: Any) -> Scenario:
    """Return a scenario; events may be names."""
    return Scenario(chart, events, **options)


def step_of(name: str) -> Step:
    """Read the name of a step."""
    message, _, delivery = name[1:].partition(".")
    return Step(Kind(name[0]), int(message), int(delivery or 1))


@dataclass
class _Delivery:
    lane: int
    loaded: int | None = None
    service: str | None = None
    to: str = ""


@dataclass
class _Play:
    messages: Sequence[tuple[str, str]]
    reactions: Mapping[tuple[str, str], tuple[str | None, str]]
    status: dict[int, tuple[str, int]] = field(init=False)
    store: dict[str, tuple[str, int]] = field(init=False)
    going: dict[tuple[int, int], _Delivery] = field(default_factory=dict)
    effects: list[tuple[str, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.status = dict.fromkeys(range(1, len(self.messages) + 1), ("visible", 0))
        self.store = {key: ("new", 0) for key, _ in self.messages}

    def frame(self, step: Step | None, anomalies: Sequence[str]) -> Frame:
        words = "the beginning"
        if step is not None:
            words = f"{self.messages[step.message - 1][1]}: {step.kind.name.lower()}"
        newest = dict(sorted(self.going))
        return Frame(
            step=step,
            text=words,
            enabled=(),
            store=tuple(
                InstanceView(key, (leaf,), FrozenDict({}), revision)
                for key, (leaf, revision) in self.store.items()
            ),
            messages=tuple(
                MessageView(n, *self.messages[n - 1], *status) for n, status in self.status.items()
            ),
            deliveries=tuple(
                DeliveryView(
                    message,
                    number,
                    each.lane,
                    each.loaded,
                    each.service,
                    newest[message] == number,
                )
                for (message, number), each in sorted(self.going.items())
            ),
            effects=tuple(self.effects),
            anomalies=tuple(anomalies),
        )

    def take(self, step: Step) -> None:
        which, (key, event) = (step.message, step.delivery), self.messages[step.message - 1]
        receives = self.status[step.message][1]
        if step.kind is Kind.RECEIVE:
            taken = {each.lane for each in self.going.values()}
            self.going[which] = _Delivery(next(n for n in range(1, 99) if n not in taken))
            self.status[step.message] = ("in flight", receives + 1)
        elif step.kind in {Kind.EXPIRE, Kind.DUPLICATE}:
            self.status[step.message] = ("visible", receives)
        elif step.kind in {Kind.DELETE, Kind.CRASH, Kind.CONFLICT}:
            del self.going[which]
            status = "deleted" if step.kind is Kind.DELETE else "visible"
            self.status[step.message] = (status, receives)
        else:
            self.work(step, self.going[which], key, event)

    def work(self, step: Step, own: _Delivery, key: str, event: str) -> None:
        leaf, revision = self.store[key]
        if step.kind is Kind.LOAD:
            own.loaded = revision
            own.service, own.to = self.reactions.get((leaf, event), (None, leaf))
        elif step.kind in {Kind.CALL, Kind.FAIL}:
            if step.kind is Kind.CALL:
                self.effects.append((key, str(own.service), step.message))
            own.service = None
        elif step.kind is Kind.SAVE:
            self.store[key] = (own.to, revision + 1)


def play(
    steps: str,
    messages: Sequence[tuple[str, str]] = TWO,
    anomalies: Mapping[int, Sequence[str]] | None = None,
    reactions: Mapping[tuple[str, str], tuple[str | None, str]] = REACTIONS,
) -> tuple[Frame, ...]:
    """Play the names of steps; a reaction is a service and where it leads."""
    playing = _Play(messages, reactions)
    frames = [playing.frame(None, ())]
    for index, step in enumerate(map(step_of, steps.split()), 1):
        playing.take(step)
        frames.append(playing.frame(step, (anomalies or {}).get(index, ())))
    return tuple(frames)
