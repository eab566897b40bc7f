"""`InstanceRecord`: all that an engine keeps of one instance, written and read as one value.

Theory of operation
-------------------
An engine whose broker hands over the events of an instance one at a time keeps this record beside
the broker. An event that can be settled leaves only its settlement in it. One that has to wait,
because its instance is halted or was saved by another version of the chart, is appended to
`waiting`. While `waiting` has events, an arriving event is appended to it too, and the first one
in it is settled instead. This keeps the order of acceptance, and each arrival or wake-up settles
one event.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Final, NamedTuple

from settlesim.chart import Snapshot
from settlesim.chart.secrets import hide_in_snapshot
from settlesim.chart.strict_json import JSONValue, freeze_object, thaw
from settlesim.engines.attempts import FailedEvent
from settlesim.engines.protocol import DeadEvent, EventStage, EventStatus
from settlesim.errors import InvalidEventError, InvalidValueError, StoreDamagedError
from settlesim.ports import Transaction
from settlesim.runtime.event_messages import (
    DelayPassed,
    StartRequest,
    event_id_given,
    event_in_body,
)
from settlesim.store.entries import ParkedGroup, PastSettlement, StoredInstance

__all__ = [
    "CALM",
    "VERSION",
    "InstanceRecord",
    "LetterId",
    "StartedTimer",
    "WaitingArrival",
    "letter_of_id",
]

CALM: Final = '{"calm": true'
"""The beginning of a record's text if nothing in it is waiting, dead or halted."""
VERSION: Final = ', "version": '
"""The text in a record before the instance's version, which is 0 if it was never saved."""
_FORMAT: Final = 1
_PAST: Final = 10
"""How many settlements are remembered."""
_ENDED: Final = 100
"""How many events that had to wait are remembered after they were settled."""


class LetterId(NamedTuple):
    """The parts of a dead letter's id."""

    number: int
    key: str


def letter_of_id(letter: str) -> LetterId | None:
    """Return the parts of a dead letter's id; None for a text that is no such id."""
    number, colon, key = letter.partition(":")
    if not colon or not key or not (number.isascii() and number.isdigit()) or len(number) > 18:
        return None
    return LetterId(int(number), key)


@dataclass(slots=True)
class WaitingArrival:
    """An event that was accepted and is not settled yet."""

    number: int
    """In order of acceptance within the instance."""
    event_id: str | None
    """The sender's; None for a delay that has passed."""
    body: JSONValue

    @property
    def mark(self) -> str:
        """The event's id for its services and its settlement."""
        if self.event_id is not None:
            return event_id_given(self.event_id)
        assert isinstance(self.body, dict)
        return f"#{self.body['timer']}:{self.body['token']}"


@dataclass(slots=True)
class StartedTimer:
    """A delay that a settlement has started."""

    delay: str
    token: int
    seconds: float


@dataclass(slots=True)
class InstanceRecord:
    """What an engine knows of one instance."""

    key: str
    snapshot: Snapshot | None = None
    final: bool = False
    saved_at: float = 0.0
    number: int = 0
    """How many settlements there were; the number of the last one."""
    accepted: int = 0
    """How many events arrived."""
    timers: dict[str, int] = field(default_factory=dict)
    """The token of each running delay, by the delay's id; each start has another token."""
    tokens: int = 0
    """How many delays were started."""
    past: list[dict[str, Any]] = field(default_factory=list)
    """The last settlements, the oldest first."""
    waiting: list[WaitingArrival] = field(default_factory=list)
    dead: list[dict[str, Any]] = field(default_factory=list)
    halted: dict[str, Any] | None = None
    """Since when and why the instance waits until it is resumed."""
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The events that were settled after they had waited, by id."""
    mismatch: str | None = None
    """Why the first waiting event waits for another version of the chart."""
    mismatches: int = 0
    """How often in a row it had to."""
    waking: bool = False
    """Whether a wake-up is on its way."""
    wakes: int = 0
    """How many wake-ups were sent, where a broker has to tell them apart."""
    outbox: list[dict[str, Any]] = field(default_factory=list)
    """What still has to be sent, if the record and a broker do not share a transaction."""

    # --- as text ------------------------------------------------------------------------------

    @property
    def calm(self) -> bool:
        """Whether nothing waits, is dead or halted."""
        return not (self.waiting or self.dead or self.halted)

    def to_text(self) -> str:
        """Return it as JSON text."""
        written = {
            "calm": self.calm,
            "version": 0 if self.snapshot is None else self.snapshot.version,
            "format": _FORMAT,
            "snapshot": None if self.snapshot is None else self.snapshot.to_dict(),
            "final": self.final,
            "saved_at": self.saved_at,
            "number": self.number,
            "accepted": self.accepted,
            "timers": self.timers,
            "tokens": self.tokens,
            "past": self.past,
            "waiting": [asdict(each) for each in self.waiting],
            "dead": self.dead,
            "halted": self.halted,
            "ended": self.ended,
            "mismatch": self.mismatch,
            "mismatches": self.mismatches,
            "waking": self.waking,
            "wakes": self.wakes,
            "outbox": self.outbox,
        }
        return json.dumps(written, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_text(cls, key: str, text: str | None, *, source: str) -> InstanceRecord:
        """Read what `to_text` wrote; None stands for an unknown instance.

        Raises
        ------
        StoreDamagedError
            It is no such text.
        """
        if text is None:
            return cls(key)
        where = f"{source}, instance {key!r}"
        try:
            found = json.loads(text)
            if found.pop("format") != _FORMAT:
                raise ValueError("it is of another format: a newer settlesim has written it")
            for shown in ("calm", "version"):  # only for queries of a broker's tables
                found.pop(shown)
            snapshot = found.pop("snapshot")
            waiting = [WaitingArrival(**each) for each in found.pop("waiting")]
            record = cls(key, **found)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StoreDamagedError(path=where, reason=str(error)) from None
        record.waiting = waiting
        if snapshot is not None:
            record.snapshot = Snapshot.from_dict(snapshot, source=where)
        return record

    def fit(self, most: int) -> str:
        """Return it as text of at most `most` bytes, if need be without its oldest settlements.

        Raises
        ------
        InvalidValueError
            It does not fit even without settlements.
        """
        while len((text := self.to_text()).encode()) > most:
            if not self.past:
                reason = f"is {len(text.encode())} bytes with all that waits; {most} is the limit"
                raise InvalidValueError(where=f"the instance {self.key!r}", reason=reason)
            del self.past[0]
        return text

    # --- events -------------------------------------------------------------------------------

    def arrive(self, event_id: str | None, body: JSONValue) -> WaitingArrival:
        """Append an event to those that wait."""
        self.accepted += 1
        arrival = WaitingArrival(self.accepted, event_id, body)
        self.waiting.append(arrival)
        return arrival

    def has_timer(self, passed: DelayPassed) -> bool:
        """Whether the instance still has this delay: its state was not left."""
        return self.delay_of(passed) is not None

    def delay_of(self, passed: DelayPassed) -> str | None:
        """Return the id of a running delay, which a migration may have renamed; else None."""
        return next((name for name, token in self.timers.items() if token == passed.token), None)

    def settled(
        self, arrival: WaitingArrival, transaction: Transaction, *, at: float, waited: bool
    ) -> list[StartedTimer]:
        """Apply the settlement of the first waiting event.

        Parameters
        ----------
        waited : whether the event had to wait, and was not settled on its arrival

        Returns
        -------
        timers : the delays that the engine has to start
        """
        assert transaction.record is not None  # every settlement of `settle` has one
        self._end(arrival)
        self.number += 1
        snapshot = transaction.snapshot
        if snapshot is not None:
            self.snapshot, self.final, self.saved_at = snapshot, transaction.final, at
        revision = transaction.expected if snapshot is None else snapshot.revision
        shown = None if snapshot is None else hide_in_snapshot(snapshot, transaction.secret)
        self.past.append(
            {
                "number": self.number,
                "revision": revision,
                "at": at,
                "snapshot": None if shown is None else shown.to_dict(),
                "record": thaw(transaction.record),
            }
        )
        del self.past[:-_PAST]
        if waited and arrival.event_id is not None:
            self.ended[arrival.event_id] = {
                "outcome": transaction.record["outcome"],
                "revision": revision,
            }
            for first in list(self.ended)[:-_ENDED]:
                del self.ended[first]
        if transaction.timers is None:
            return []
        old = {new: old for old, new in transaction.timers.renamed}
        kept = {name: self.timers.get(old.get(name, name)) for name in transaction.timers.kept}
        started = [
            StartedTimer(timer.id, self.tokens + number, timer.seconds)
            for number, timer in enumerate(transaction.timers.started, start=1)
        ]
        self.tokens += len(started)
        self.timers = {name: token for name, token in kept.items() if token is not None}
        self.timers |= {timer.delay: timer.token for timer in started}
        return started

    def failed(
        self, arrival: WaitingArrival, failed: FailedEvent, reason: str, *, at: float, halt: bool
    ) -> None:
        """Make the first waiting event a dead letter."""
        self._end(arrival)
        self.dead.append(
            {
                **asdict(arrival),
                "errors": list(failed.errors),
                "failures": failed.failures,
                "reason": reason,
                "at": at,
            }
        )
        if halt:
            self.halted = {"since": at, "reason": f"event {arrival.mark!r} is a dead letter"}

    def held(self, reason: str) -> None:
        """Note that the first waiting event has to wait for another version of the chart."""
        self.mismatch = reason
        self.mismatches += 1

    def dropped(self, arrival: WaitingArrival) -> None:
        """Consume an event that has nothing left to do."""
        self._end(arrival)

    def _end(self, arrival: WaitingArrival) -> None:
        self.waiting.remove(arrival)
        self.mismatch, self.mismatches = None, 0

    def retry(self, number: int) -> bool:
        """Let a dead letter wait again, in its old position; return whether there is one."""
        for letter in self.dead:
            if letter["number"] == number:
                self.dead.remove(letter)
                self.waiting.append(WaitingArrival(number, letter["event_id"], letter["body"]))
                self.waiting.sort(key=lambda each: each.number)
                return True
        return False

    # --- reading ------------------------------------------------------------------------------

    def instance(self) -> StoredInstance | None:
        """Return the instance as it was saved last; None where it never was."""
        if self.snapshot is None:
            return None
        return StoredInstance(self.key, self.snapshot, self.final, self.saved_at)

    def settlements(self, cursor: int, limit: int) -> list[PastSettlement]:
        """Return the settlements after `cursor` that are remembered."""
        found = [each for each in self.past if each["number"] > cursor][:limit]
        return [
            PastSettlement(
                self.key,
                each["number"],
                each["revision"],
                each["at"],
                None if each["snapshot"] is None else Snapshot.from_dict(each["snapshot"]),
                freeze_object(each["record"], where="record"),
            )
            for each in found
        ]

    def letters(self) -> list[DeadEvent]:
        """Return the dead letters, the oldest first."""
        return [self._letter(each) for each in self.dead]

    def _letter(self, letter: dict[str, Any]) -> DeadEvent:
        name, data = None, letter["body"]
        try:
            found = event_in_body(letter["body"], where="a dead letter")
        except (InvalidEventError, InvalidValueError):
            pass
        else:
            name = found.name
            data = None if isinstance(found, (DelayPassed, StartRequest)) else found.data
        return DeadEvent(
            id=f"{letter['number']}:{self.key}",
            key=self.key,
            event=name,
            data=data,
            event_id=letter["event_id"],
            errors=tuple(letter["errors"]),
            failures=letter["failures"],
            reason=letter["reason"],
            at=letter["at"],
        )

    def parked(self) -> ParkedGroup | None:
        """Return the instance as a parked one; None if it is not halted."""
        if self.halted is None:
            return None
        return ParkedGroup(self.key, self.halted["since"], self.halted["reason"], len(self.waiting))

    def status_of(self, event_id: str) -> EventStatus | None:
        """Return the status of an event; None if the record does not know it."""
        if any(each.event_id == event_id for each in self.waiting):
            errors = () if self.mismatch is None else (self.mismatch,)
            return EventStatus(self.key, event_id, EventStage.WAITING, errors=errors)
        mark = event_id_given(event_id)
        for each in reversed(self.past):
            if each["record"].get("event_id") == mark:
                outcome, revision = each["record"]["outcome"], each["revision"]
                snapshot = each["snapshot"]
                return EventStatus(
                    self.key,
                    event_id,
                    EventStage.SETTLED,
                    outcome,
                    revision,
                    None if snapshot is None else Snapshot.from_dict(snapshot),
                )
        if (ended := self.ended.get(event_id)) is not None:
            return EventStatus(self.key, event_id, EventStage.SETTLED, **ended)
        for letter in self.dead:
            if letter["event_id"] == event_id:
                errors = tuple(letter["errors"])
                return EventStatus(self.key, event_id, EventStage.DEAD, errors=errors)
        return None
