"""What an operator does with a queue: look at it, bring dead letters back, let groups go on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, Literal, get_args

from settlesim.errors import InvalidValueError, shorten
from settlesim.store.base import DatabaseStore
from settlesim.store.checks import MAX_NAME, check_count, check_seconds, check_text
from settlesim.store.documents import DEAD_LETTERS, MESSAGES, PARKED, TIMERS
from settlesim.store.queues.lanes import Lanes
from settlesim.store.queues.messages import Mail
from settlesim.store.queues.queueing import DEDUPLICATION_WINDOW
from settlesim.store.queues.values import DeadLetter, ParkedGroup, QueueStatus, letter_of

__all__ = ["MAX_VISIBILITY", "Policy", "QueueUpkeep"]

Policy = Literal["skip", "halt"]

MAX_VISIBILITY: Final = 43_200.0
"""Seconds for which a message can be hidden at most, as in SQS: twelve hours."""
_MOST_TIMERS: Final = 1000
"""How many timers one transaction moves at most."""


class QueueUpkeep:
    """The settings of a queue, and what does not need a receipt."""

    standard = False
    """Whether messages come up in any order, each for itself."""

    def __init__(
        self,
        store: DatabaseStore,
        name: str,
        *,
        visibility_timeout: float = 30.0,
        max_receives: int | None = None,
        max_failures: int = 3,
        deduplication_window: float = DEDUPLICATION_WINDOW,
        policy: Policy = "skip",
        chart: str | None = None,
    ) -> None:
        given: object = store  # types are not checked for everybody
        if not isinstance(given, DatabaseStore):
            raise TypeError(
                f"{type(self).__name__}({shorten(store, 40)}, ...): a MemoryStore or a TinyStore "
                "is needed; a queue belongs to its store"
            )
        check_text(name, where="the name of a queue", most=MAX_NAME)
        check_seconds(visibility_timeout, where="visibility_timeout", most=MAX_VISIBILITY)
        check_seconds(deduplication_window, where="deduplication_window")
        check_count(max_failures, where="max_failures")
        if max_receives is not None:
            check_count(max_receives, where="max_receives")
        if policy not in get_args(Policy):
            reason = f"is {shorten(policy, 40)}; possible: 'skip', 'halt'"
            raise InvalidValueError(where="policy", reason=reason)
        self.store = store
        self.name = name
        self.visibility_timeout = visibility_timeout
        self.max_receives = max_receives
        self.max_failures = max_failures
        self.deduplication_window = deduplication_window
        self.policy: Policy = policy
        self.chart = name if chart is None else chart
        """The chart whose timers send into this queue."""
        self._database = store.database
        self._indexes = store.indexes
        self._indexes.queues.windows[name] = deduplication_window

    @property
    def _lanes(self) -> Lanes:
        return self._indexes.queues[self.name]

    @property
    def _halts(self) -> bool:
        return self.policy == "halt" and not self.standard

    # --- looking --------------------------------------------------------------------------

    def status(self) -> QueueStatus:
        """Return how much waits, for how long, and what is put aside.

        Raises
        ------
        StoreError
            The store could not read.
        """
        with self._database.reading() as reader:
            now = self._database.now()
            lanes = self._lanes
            number = lanes.oldest()
            oldest = None if number is None else reader.get(MESSAGES, number)
            return QueueStatus(
                depth=len(lanes.places),
                oldest=None if oldest is None else max(now - oldest["sent_at"], 0.0),
                in_flight=lanes.flying(now),
                dead_letters=len(lanes.dead),
                parked=len(lanes.parked),
                timers=self._indexes.timers.running(self.chart),
            )

    def next_change(self) -> float | None:
        """Return in how many seconds something may come up by the passing of time.

        That is when a message in flight or held back becomes visible again, or a timer is
        due: 0 where something is ready, None where only a message that is sent, or a group
        that is resumed, can bring work.

        Raises
        ------
        StoreError
            The store could not read.
        """
        with self._database.reading():
            times = self._lanes.next_at(), self._indexes.timers.next_at(self.chart)
            now = self._database.now()
        return min((max(time - now, 0.0) for time in times if time is not None), default=None)

    def waiting(self, group_id: str) -> int:
        """Return how many messages a group has, those in flight included.

        Raises
        ------
        StoreError
            The store could not read.
        """
        with self._database.reading():
            return self._lanes.length(group_id)

    def left(self, groups: Collection[str] = ()) -> tuple[int, int]:
        """Return how many messages there are but those of parked groups, at one moment.

        Parameters
        ----------
        groups : which are counted only in the first number

        Returns
        -------
        left : those in flight included
        others : how many of them are of no group in `groups`

        Raises
        ------
        StoreError
            The store could not read.
        """
        with self._database.reading() as reader:
            lanes = self._lanes
            left = len(lanes.places) - sum(map(lanes.length, lanes.parked))
            if not groups:
                return left, left
            if self.standard:  # a lane is one message
                found = (reader.get(MESSAGES, number) for number in lanes.places)
                return left, left - sum(
                    each is not None and each["group"] in groups for each in found
                )
            return left, left - sum(
                lanes.length(each) for each in groups if each not in lanes.parked
            )

    def dead_letters(self) -> tuple[DeadLetter, ...]:
        """Return the messages that were put aside, in the order in which they were accepted.

        Raises
        ------
        StoreError
            The store could not read.
        """
        source = self._indexes.source
        with self._database.reading() as reader:
            return tuple(
                letter_of(number, letter, source=source)
                for number in sorted(self._lanes.dead)
                if (letter := reader.get(DEAD_LETTERS, number)) is not None
            )

    def parked(self) -> tuple[ParkedGroup, ...]:
        """Return the groups that wait until they are resumed, the longest waiting first.

        Raises
        ------
        StoreError
            The store could not read.
        """
        with self._database.reading() as reader:
            return tuple(
                ParkedGroup(
                    document["group"],
                    document["since"],
                    document["reason"],
                    self._lanes.length(lane),
                )
                for lane, number in sorted(self._lanes.parked.items(), key=lambda each: each[1])
                if (document := reader.get(PARKED, number)) is not None
            )

    # --- bringing back --------------------------------------------------------------------

    def redrive(
        self, ids: Iterable[int] | None = None, *, group_id: str | None = None
    ) -> tuple[int, ...]:
        """Put dead letters back, in their order, with no failures counted.

        With the policy ``"halt"`` each comes back to its old place, before all that was sent
        after it; `resume` then lets its group go on. With ``"skip"`` that place is gone: it
        comes to the end, as a new message.

        Parameters
        ----------
        ids : of messages among the dead letters; None for all of them
        group_id : only those of this group; None for all groups

        Returns
        -------
        ids : that they have now

        Raises
        ------
        InvalidValueError
            An id that no dead letter has.
        StoreError
            The store could not write; nothing was changed.
        """
        wanted = None if ids is None else sorted(set(ids))
        if group_id is not None:
            check_text(group_id, where="group_id")
        with self._database.writing() as changes:
            dead = self._lanes.dead
            for number in wanted or ():
                if number not in dead:
                    reason = f"has no dead letter {shorten(number, 40)}"
                    raise InvalidValueError(where=f"queue {self.name!r}", reason=reason)
            mail = Mail(self._indexes, changes, self._database.now())
            found: list[int] = []
            for number in sorted(dead) if wanted is None else wanted:
                letter = changes.get(DEAD_LETTERS, number)
                if letter is not None and group_id in (None, letter["group"]):
                    found.append(mail.dig_up(number, letter, in_place=self._halts))
            return tuple(found)

    def resume(self, group_id: str) -> bool:
        """Let a parked group go on.

        Returns
        -------
        parked : whether it was parked

        Raises
        ------
        StoreError
            The store could not write; nothing was changed.
        """
        check_text(group_id, where="group_id")
        with self._database.writing() as changes:
            number = self._lanes.parked.get(group_id)
            if number is None:
                return False
            changes.remove(PARKED, number)
            return True

    # --- timers ---------------------------------------------------------------------------

    def release_timers(self) -> int:
        """Send the messages of timers whose time has come, each exactly once.

        Such a message goes to the group of its instance; its body is an object with `timer`,
        the id of the chart's delay, and `token`, which tells this start of the delay from
        others (see `DatabaseStore.timers`). Where nothing is due, nothing is written.

        Returns
        -------
        count : how many were sent, at most 1,000 at a time

        Raises
        ------
        StoreError
            The store could not read or write; nothing was sent.
        """
        timers = self._indexes.timers
        with self._database.reading():
            if not timers.due(self.chart, self._database.now(), 1):
                return 0
        with self._database.writing() as changes:
            now = self._database.now()
            mail = Mail(self._indexes, changes, now)
            due = timers.due(self.chart, now, _MOST_TIMERS)
            for number in due:
                timer: Any = changes.get(TIMERS, number)
                changes.put(TIMERS, number, {**timer, "state": "sent"})
                body = {"timer": timer["delay"], "token": number}
                self._accept_timer(mail, body, timer["key"], number)
            return len(due)

    def _accept_timer(self, mail: Mail, body: Any, key: str, number: int) -> None:
        mail.accept(self.name, body, key, standard=self.standard, more={"timer": number})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.store!r}, {self.name!r})"
