"""A FIFO queue as SQS describes it, in lists and dicts, independent of the library.

Sources: Amazon SQS Developer Guide, "FIFO queue delivery logic", "Exactly-once processing",
"Visibility timeout" and "Dead-letter queues"; beyond them the policy ``halt``, parked groups,
and failures counted apart from receptions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["MAX_ERRORS", "MAX_VISIBILITY", "Id", "Item", "QueueModel"]

MAX_ERRORS = 10
MAX_VISIBILITY = 43_200.0
"""Seconds; a message that is hidden for longer was hidden by a clock that was ahead."""


@dataclass
class Item:
    """A message that was accepted."""

    id: int
    group: str
    body: Any
    deduplication_id: str | None
    sent_at: float
    visible_at: float = 0.0
    """0 if it was never hidden: it is receivable whatever the clock says."""
    receives: int = 0
    tries: int = 0
    """Receptions without a result."""
    failures: int = 0
    errors: list[str] = field(default_factory=list)
    held: bool = False


@dataclass
class Id:
    """A deduplication id that was used."""

    body: Any
    message: int
    until: float


@dataclass
class QueueModel:
    """One queue; every method says what the real one has to do and return.

    Messages are counted from 1 in the order in which they are accepted.
    """

    visibility: float
    window: float
    max_failures: int | None
    max_receives: int | None
    halt: bool
    now: float
    waiting: dict[int, Item] = field(default_factory=dict)
    dead: dict[int, Item] = field(default_factory=dict)
    buried: set[int] = field(default_factory=set)
    """The numbers of all messages that ever were dead letters."""
    parked: dict[str, float] = field(default_factory=dict)
    """Since when each group is parked."""
    known: dict[tuple[str, str], Id] = field(default_factory=dict)
    accepted: dict[str, list[int]] = field(default_factory=dict)
    done: dict[str, list[int]] = field(default_factory=dict)
    last: int = 0

    # --- accepting ------------------------------------------------------------------------

    def earlier(self, group: str, deduplication_id: str | None) -> Id | None:
        """Return what was sent with this id and is still remembered."""
        found = None if deduplication_id is None else self.known.get((group, deduplication_id))
        if found is None or (found.message not in self.waiting and found.until <= self.now):
            return None
        return found

    def send(self, number: int, body: Any, group: str, deduplication_id: str | None) -> None:
        """Accept a message under a number after all others."""
        assert number > self.last
        self.last = number
        self.waiting[number] = Item(number, group, body, deduplication_id, self.now)
        self.accepted.setdefault(group, []).append(number)
        if deduplication_id is not None:
            self.known[group, deduplication_id] = Id(body, number, self.now + self.window)

    # --- receiving ------------------------------------------------------------------------

    def free(self) -> list[Item]:
        """Return the heads of the groups that are not blocked, the longest receivable first."""
        ready: list[tuple[float, int]] = []
        heads: list[tuple[float, int]] = []
        for group in {item.group for item in self.waiting.values()}:
            items = sorted(
                (item for item in self.waiting.values() if item.group == group),
                key=lambda item: item.id,
            )
            since = max([items[0].visible_at, *(item.visible_at for item in items if item.held)])
            if group not in self.parked and since <= self.now:
                if since == 0.0:
                    ready.append((items[0].sent_at, items[0].id))
                else:
                    heads.append((since, items[0].id))
        ready.sort(key=lambda each: each[1])
        heads.sort()
        order: list[int] = []
        while ready or heads:
            first = ready if not heads or (ready and ready[0] < heads[0]) else heads
            order.append(first.pop(0)[1])
        return [self.waiting[number] for number in order]

    def receive(self, most: int, seconds: float) -> list[Item]:
        """Return what is received; messages that were received too often are put aside."""
        if any(since > self.now + MAX_VISIBILITY for since in self.times()):
            for item in self.waiting.values():
                if item.visible_at > self.now + MAX_VISIBILITY:
                    item.visible_at = self.now + seconds
        while True:
            found, buried = [], False
            for item in self.free()[:most]:
                if self.max_receives is not None and item.tries >= self.max_receives:
                    self.bury(item)
                    buried = True
                else:
                    item.receives += 1
                    item.tries += 1
                    item.held = True
                    item.visible_at = self.now + seconds
                    found.append(item)
            if found or not buried:
                return found

    def holds(self, number: int, receives: int) -> bool:
        """Return whether the receipt of a reception is valid."""
        item = self.waiting.get(number)
        return item is not None and item.held and item.receives == receives

    # --- after a reception ----------------------------------------------------------------

    def leave(self, item: Item) -> None:
        """Take the message out of the queue; its id is known for another window."""
        del self.waiting[item.id]
        known = self.known.get((item.group, item.deduplication_id or ""))
        if known is not None and known.message == item.id:
            known.until = self.now + self.window

    def delete(self, number: int) -> None:
        """Remove a message that was handled."""
        item = self.waiting[number]
        self.leave(item)
        self.done.setdefault(item.group, []).append(number)

    def hide(self, number: int, seconds: float) -> None:
        """Hide a received message from now on."""
        self.waiting[number].visible_at = self.now + seconds

    def release(self, number: int, seconds: float) -> None:
        """Make a received message visible after `seconds`; the reception had a result."""
        item = self.waiting[number]
        item.visible_at = self.now + seconds
        item.held = False
        item.tries -= 1

    def fail(self, number: int, error: str, retry_in: float, *, final: bool = False) -> bool:
        """Count a failure; return whether it was the last one."""
        item = self.waiting[number]
        item.failures += 1
        item.tries -= 1
        item.errors = [*item.errors, error][-MAX_ERRORS:]
        item.held = False
        if final or (self.max_failures is not None and item.failures >= self.max_failures):
            self.bury(item)
            return True
        item.visible_at = self.now + retry_in
        return False

    def bury(self, item: Item) -> None:
        """Put the message among the dead letters."""
        self.leave(item)
        item.held = False
        self.dead[item.id] = item
        self.buried.add(item.id)
        if self.halt:
            self.parked.setdefault(item.group, self.now)

    # --- upkeep ---------------------------------------------------------------------------

    def redrive(self, numbers: list[int], new: list[int]) -> None:
        """Put dead letters back: with halt to their old positions, else to the end as new ones."""
        for number, after in zip(sorted(numbers), new, strict=True):
            item = self.dead.pop(number)
            item.failures, item.errors, item.tries, item.visible_at = 0, [], 0, 0.0
            if self.halt:
                assert after == number
            else:
                assert after > self.last
                self.last, item.id, item.receives = after, after, 0
                item.sent_at = self.now
                self.accepted[item.group].append(after)
            known = self.earlier(item.group, item.deduplication_id)
            self.waiting[item.id] = item
            mine = known is None or known.message == number
            if item.deduplication_id is not None and mine:
                name = item.group, item.deduplication_id
                self.known[name] = Id(item.body, item.id, self.now + self.window)

    def times(self) -> list[float]:
        """Return when each group that is not parked becomes receivable."""
        times = []
        for group in {item.group for item in self.waiting.values()} - set(self.parked):
            items = [item for item in self.waiting.values() if item.group == group]
            head = min(items, key=lambda item: item.id)
            times.append(max([head.visible_at, *(i.visible_at for i in items if i.held)]))
        return times

    def next_change(self) -> float | None:
        """Return in how many seconds a group becomes receivable; None if none will."""
        times = self.times()
        if any(time > self.now + MAX_VISIBILITY for time in times):
            return 0.0
        return min((max(time - self.now, 0.0) for time in times), default=None)
