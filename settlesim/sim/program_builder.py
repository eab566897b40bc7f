"""Builds the program of one event: every order of completion that time allows.

Theory of operation
-------------------
`ProgramBuilder` drives a `Settling` by hand. Where it waits, each running service and delay
completes in a copy of its own, if some choice of durations lets it be the next
(`settlesim.sim.timing`). If the scenario has service failures, each service also fails, once for
each error that it may raise and for its time-out. A situation that was met before is not expanded
again, so the result is a graph rather than a tree.

While something else runs too, a service may have its effect first and come back later, or never,
if what completes in between leaves its state. That is a branch of its own, `Kind.EFFECT`. If time
is known, no time passes between the effect and the return, so the branch exists only if something
else may happen at that very moment. Services that may run out of time after their effect are an
exception: they may have had it at any time before.

If time is known, a service that is going to fail is late from the moment when it should have come
back. Being late is a failure in its own right, so an event that ends while the service is late is
counted as well.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from settlesim.chart import Event
from settlesim.chart.strict_json import encode
from settlesim.errors import (
    DeadlineExceededError,
    FunctionFailedError,
    SettleError,
    error_message,
)
from settlesim.settling.settlement import (
    START_EVENT,
    Answer,
    Elapsed,
    Pending,
    PendingDelay,
    Settlement,
)
from settlesim.settling.settling import Settling
from settlesim.sim.program_nodes import (
    Branch,
    DelayStart,
    ProgramNodeKind,
    TableNode,
    merged,
)
from settlesim.sim.services import KEY_MARK
from settlesim.sim.terms import Kind
from settlesim.sim.timing import ANY, EVENT, INSTANT, START, Clock, Window, Zone, nanoseconds

if TYPE_CHECKING:
    from settlesim.sim.compiled import CompiledChart

__all__ = ["FAILURE", "ProgramBuilder"]

FAILURE: Final = Answer(error=RuntimeError("fails in the simulation"))
"""A failure with an error that the scenario does not name."""
_MOST: Final = 2_000
"""How many situations the handling of one event may have."""


class _Option(NamedTuple):
    """Something that may happen next; its branch does not have a node after it yet."""

    branch: Branch
    window: Window
    """The ages of the service or delay at which it may happen."""
    answer: Answer | None = None
    """None for a delay, for an effect, and for a service that becomes late."""


_Asked: TypeAlias = "tuple[_Session, int]"
_Growing: TypeAlias = Generator[_Asked, int | None, int | None]


class _Session:
    """A `Settling` with what is known about its time."""

    def __init__(self, settling: Settling) -> None:
        self.settling = settling
        self.zone = START
        self.began: dict[Clock, int] = {}
        """The latest start of each running service and delay, in nanoseconds."""
        self.latest = 0
        """The latest time that it can be now, if every service ends by its time-out."""
        self.had: frozenset[Clock] = frozenset()
        """The running services that have had their effect."""
        self.late: frozenset[Clock] = frozenset()
        """The running services that should have come back, and are going to fail."""
        self.timed = True
        """Whether the durations of everything that has completed are known."""

    def copy(self) -> _Session:
        other = copy(self)
        other.settling = self.settling.copy()
        other.began = dict(self.began)
        return other

    def situation(self) -> tuple[object, ...]:
        marks = tuple(sorted(self.had)), tuple(sorted(self.late))
        began = tuple(self.began.values())
        return (*self.settling.situation(), self.zone, began, *marks, self.timed)

    @property
    def beside(self) -> bool:
        """Whether several services or delays run."""
        return len(self.settling.pending) + len(self.settling.delays) > 1

    def give(self, option: _Option) -> None:
        """Let something happen.

        Raises
        ------
        SettleError
            After that the event reaches no settled state.
        """
        settling, branch, answer = self.settling, option.branch, option.answer
        if branch.kind is Kind.EFFECT:
            self.had |= {_clock(branch)}
        elif branch.kind is Kind.DELAY:
            settling.elapsed(branch.activity)
        elif answer is None:
            self.late |= {_clock(branch)}
        elif answer.error is None:
            settling.done(branch.activity, answer.value)
        elif isinstance(answer.error, FunctionFailedError):
            raise answer.error
        else:
            settling.failed(branch.activity, answer.error, timeout=answer.timed_out)


class ProgramBuilder:
    """Builds the program of one event from one state.

    The graph below a situation is built by a generator. It yields each next situation and is sent
    the node for it, so a long program needs no deep recursion.
    """

    def __init__(self, table: CompiledChart, state: int, event: Event | Elapsed | None) -> None:
        self.doubts: list[str] = []
        self._table = table
        self._assumed = table.assumptions
        self._known_time = table.assumptions.known
        self._state = state
        self._given = event
        self._event = event.event if isinstance(event, Elapsed) else event or START_EVENT
        self._made: dict[tuple[object, ...], int | None] = {}
        """The first node for each situation so far; different orders often lead to the same one."""
        self._deadline = nanoseconds(table.deadline)
        self._at_deadline = Window(self._deadline, self._deadline)

    def build(self) -> int:
        """Return the first node."""
        table = self._table
        try:
            settling = Settling(table._program, table._states[self._state], self._given)
        except SettleError as error:
            return self._error(error, table.failures)
        session = _Session(settling)
        self._start_clocks(session)
        stack = [self._grow(session, table.failures)]
        value: int | None = None
        while stack:
            try:
                asked = stack[-1].send(value)
            except StopIteration as stop:
                value = stop.value
                stack.pop()
            else:
                stack.append(self._grow(*asked))
                value = None
        assert value is not None  # at the beginning something can always happen
        return value

    def _grow(self, session: _Session, left: int) -> _Growing:
        """Build the graph below a session; return None if no choice of durations leads to it."""
        settling = session.settling
        if settling.settlement is not None:
            return self._table._intern(self._leaf(session))
        here = (left, *session.situation())
        if here in self._made:
            return self._made[here]
        if len(self._made) >= _MOST:
            text = f"inside its handler there are more than {_MOST:,} situations"
            return self._table._intern(TableNode(ProgramNodeKind.UNKNOWN, text=text))
        options = self._options(session, left)
        zones = [self._passed(session, option, options) for option in options]
        at_deadline = self._deadline_branch(session, options, zones, left)
        for effect in self._effects(session, options, at_deadline):
            zones.append(self._passed(session, effect, options))
            options.append(effect)
        possible = [each for each in zip(options, zones, strict=True) if each[1] is not None]
        taken = []
        for place, (option, zone) in enumerate(possible):
            assert zone is not None
            after = left - option.branch.kind.is_fault
            child = session if place + 1 == len(possible) else session.copy()
            number: int | None
            try:
                child.give(option)
            except SettleError as error:
                number = self._error(error, after)
            else:
                self._pass_on(child, option, zone)
                number = yield child, after
            if number is not None:
                taken.append((option, number))
        result = self._after(taken, at_deadline)
        self._made[here] = result
        return result

    def _after(
        self, taken: Sequence[tuple[_Option, int]], at_deadline: Branch | None
    ) -> int | None:
        """Return the node for what may happen next; None if nothing can."""
        if taken:
            return self._waiting(taken, at_deadline)
        passes = at_deadline is not None and at_deadline.kind is Kind.DELAY
        return at_deadline.after if at_deadline is not None and passes else None

    def _waiting(self, taken: Sequence[tuple[_Option, int]], at_deadline: Branch | None) -> int:
        """Return the node that waits for these options."""
        branches = [option.branch._replace(after=number) for option, number in taken]
        if at_deadline is not None:
            branches.append(at_deadline)
        found = merged(self._table._nodes, branches)
        result = self._table._intern(TableNode(ProgramNodeKind.WAIT, found))
        failing = [
            (option.branch.service, _told(option.answer.error))
            for option, _ in taken
            if option.branch.kind is Kind.CALL
            and not option.branch.late
            and option.answer is not None
            and option.answer.error is not None
        ]
        if failing:
            self._table._errors.setdefault(result, {}).update(dict.fromkeys(failing))
        return result

    # --- what may complete ----------------------------------------------------------------

    def _options(self, session: _Session, left: int) -> list[_Option]:
        settling = session.settling
        found = []
        for pending in settling.pending:
            found += self._of_service(session, pending, left)
        for delay in settling.delays:
            text = f"{delay.seconds:g} s"
            if delay.retries is not None:
                service = self._table.activities.invocations[delay.retries].src
                text = f"the wait before {service} is called again"
            branch = Branch(Kind.DELAY, activity=delay.id, number=delay.number, text=text)
            found.append(_Option(branch, self._window_of_delay(delay)))
        return found

    def _window_of_delay(self, delay: PendingDelay) -> Window:
        """Return how long a delay takes; the wait before a retry may have any jitter."""
        least = most = delay.seconds
        if delay.retries is not None:
            retries = self._table.activities.invocations[delay.retries].retry
            jitter = max(each.jitter for each in retries)
            least *= 1 - jitter
            most = math.inf if jitter == 1 else most / (1 - jitter)
        bounded = self._known_time and math.isfinite(most)
        return Window(nanoseconds(least), nanoseconds(most) if bounded else None)

    def _of_service(self, session: _Session, pending: Pending, left: int) -> list[_Option]:
        """Return the ways in which a service may end, or become late."""
        answer = self._table._answer(self._state, self._event, pending)
        self._doubt_keys(pending, answer)
        clock = (pending.id, pending.number, pending.attempt)
        had = clock in session.had
        branch = Branch(Kind.CALL, -1, pending.service, pending.id, pending.number, pending.attempt)
        effect = self._table._effects[pending.id] and not had
        if clock in session.late:
            paid = branch._replace(works=False, late=True)
            out = paid._replace(text="TimeoutError")
            return self._failures(pending, paid, out, effect=effect, had=had)
        limit = nanoseconds(self._limit(pending))
        window = self._window(pending, answer)
        found = []
        if not self._known_time or window.least < limit:
            works = answer.error is None
            most = window.most
            if self._known_time:
                most = limit if most is None else min(most, limit)
            done = branch._replace(effect=works and effect, works=works)
            found.append(_Option(done, Window(window.least, most), answer))
        runs_out = self._known_time and window.most is not None and window.most >= limit
        early = self._may_be_early(pending)
        if runs_out and (early or not had):
            late = _Option(
                branch._replace(works=False),
                Window(limit, limit),
                Answer.late(self._limit(pending)),
            )
            found.append(late)
            if early and effect:
                found.append(late._replace(branch=late.branch._replace(effect=True)))
        if not left:
            return found
        failed = branch._replace(kind=Kind.FAIL)
        timed_out = branch._replace(kind=Kind.TIMEOUT)
        in_time = self._known_time and window.most is not None and window.most < limit
        if not (in_time and session.beside):
            return found + self._failures(pending, failed, timed_out, effect=effect, had=had)
        assert window.most is not None
        found += self._failures(
            pending, failed, None, effect=effect, had=had, within=Window(0, window.most)
        )
        if early or not had:
            found.append(_Option(failed._replace(late=True), Window(window.most, window.most)))
        return found

    def _failures(
        self,
        pending: Pending,
        failed: Branch,
        timed_out: Branch | None,
        *,
        effect: bool,
        had: bool,
        within: Window | None = None,
    ) -> list[_Option]:
        """Return the failures of a service: each error, then running out of time.

        Parameters
        ----------
        failed, timed_out : the branches for an error and for a time-out
        effect : whether the service may still have its effect
        had : whether it has had its effect
        within : the ages at which it may raise an error; None for any age within its time-out
        """
        limit = nanoseconds(self._limit(pending))
        errors = self._assumed.errors.get(pending.service)
        window = within or (Window(0, limit) if self._known_time else ANY)
        found = []
        if errors is None and not had:
            found.append(_Option(failed, window, FAILURE))
            self._doubt_retries(pending)
        for error in () if had else errors or ():
            raised = Answer(error=error.exception())
            found.append(_Option(failed._replace(text=error.words), window, raised))
        if timed_out is None:
            return found
        early = self._may_be_early(pending)
        at_limit = Window(limit, limit) if self._known_time else ANY
        late = Answer.late(self._limit(pending))
        if not had or early:
            found.append(_Option(timed_out, at_limit, late))
        if effect and early:
            found.append(_Option(timed_out._replace(effect=True), at_limit, late))
        return found

    def _doubt_retries(self, pending: Pending) -> None:
        """Note a retry that depends on an error which the scenario does not name."""
        invocation = self._table.activities.invocations[pending.id]
        if any(retry.errors for retry in invocation.retry):
            self.doubts.append(
                f"a retry of {pending.service} asks for the error, and which errors there "
                f"are is not said: give errors={{{pending.service!r}: [...]}}"
            )

    # --- effects before a service comes back ----------------------------------------------

    def _may_be_early(self, pending: Pending) -> bool:
        """Whether a service may have its effect at any time before it comes back or times out."""
        errors = self._assumed.errors.get(pending.service, ())
        return self._table._effects[pending.id] and any(each.timeout for each in errors)

    def _effects(
        self, session: _Session, options: Sequence[_Option], at_deadline: Branch | None
    ) -> list[_Option]:
        """Return the effects that services may have before they come back."""
        if not (session.beside or at_deadline):
            return []
        passes = at_deadline is not None and at_deadline.kind is Kind.DELAY
        found = []
        for pending in session.settling.pending:
            clock = (pending.id, pending.number, pending.attempt)
            if clock in session.had:
                continue
            done = [
                each
                for each in options
                if each.branch.effect
                and each.branch.kind is Kind.CALL
                and _clock(each.branch) == clock
            ]
            branch = Branch(
                Kind.EFFECT, -1, pending.service, pending.id, pending.number, pending.attempt, True
            )
            if self._may_be_early(pending):
                most = nanoseconds(self._limit(pending)) if self._known_time else None
                found.append(_Option(branch, Window(0, most)))
            elif done and self._may_coincide(session, done[0], options, passes=passes):
                found.append(_Option(branch, done[0].window))
        return found

    def _may_coincide(
        self, session: _Session, done: _Option, options: Sequence[_Option], *, passes: bool
    ) -> bool:
        """Whether something else may happen at the moment when a service comes back.

        Parameters
        ----------
        passes : whether the deadline may pass, by what is known about time
        """
        if not self._known_time:
            return True
        clock = _clock(done.branch)
        others = [(_clock(other.branch), other.window) for other in options]
        if passes:
            others.append((EVENT, self._at_deadline))
        return any(
            self._passed(session, done, options, also=other) is not None
            for other in others
            if other[0] != clock
        )

    def _doubt_keys(self, pending: Pending, answer: Answer) -> None:
        """Note an answer that would be different outside the simulation."""
        if answer.value is not None and KEY_MARK in encode(answer.value):
            self.doubts.append(
                f"{pending.service} answers with its idempotency key, which is another one outside "
                f"of the simulation: give results={{{pending.service!r}: ...}}"
            )

    def _limit(self, pending: Pending) -> float:
        return self._table.service_timeout if pending.timeout is None else pending.timeout

    def _window(self, pending: Pending, answer: Answer) -> Window:
        """Return how long a service takes, as far as that is known."""
        given = self._assumed.durations.get(pending.service)
        if given is not None:
            return Window(nanoseconds(given[0]), nanoseconds(given[1]))
        if self._assumed.timing == "simulated" and pending.service not in self._table._results:
            seconds = nanoseconds(answer.seconds)
            return Window(seconds, seconds)
        return ANY

    # --- time -----------------------------------------------------------------------------

    def _passed(
        self,
        session: _Session,
        option: _Option,
        options: Sequence[_Option],
        *,
        also: tuple[Clock, Window] | None = None,
        late: bool = False,
    ) -> Zone | None:
        """Return the zone after `option` happens next; None if it cannot be the next.

        Parameters
        ----------
        also : another clock that has to be within its window at the same moment
        late : whether it may happen after the deadline of the event
        """
        windows = [(_clock(option.branch), option.window)]
        if also is not None:
            windows.append(also)
        if not late:
            windows.append((EVENT, Window(0, self._deadline)))
        return session.zone.passed(windows, _longest_ages(options))

    def _deadline_branch(
        self,
        session: _Session,
        options: Sequence[_Option],
        zones: Sequence[Zone | None],
        left: int,
    ) -> Branch | None:
        """Return the branch for the deadline of the event; None if it cannot pass now.

        If what is known about time lets the deadline pass, the branch is a delay; else it is one of
        the failures, like the time-out of a service. What would complete at that very moment may
        come first or never.

        Parameters
        ----------
        zones : the zone after each option, up to the deadline; None if it cannot happen by then
        """
        configuration = session.settling.configuration
        if self._passes(session, options, zones):
            after = self._late(configuration, left)
            return Branch(Kind.DELAY, after, text="the deadline of the event")
        ends: dict[Clock, int] = {}
        for option in options:
            clock = _clock(option.branch)
            end = session.began.get(clock, 0) + self._longest(option)
            ends[clock] = max(end, ends.get(clock, 0))
        if not left or min(ends.values()) < self._deadline:
            return None
        after = self._late(configuration, left - 1)
        return Branch(Kind.TIMEOUT, after, text="the deadline of the event passes")

    def _passes(
        self, session: _Session, options: Sequence[_Option], zones: Sequence[Zone | None]
    ) -> bool:
        """Whether what is known about time lets the deadline pass.

        It does if nothing can complete before the deadline, or if all durations are known and
        nothing has to complete before it.
        """
        if all(zone is None or zone.age(EVENT).least >= self._deadline for zone in zones):
            late = (self._passed(session, option, options, late=True) for option in options)
            return any(zone is not None for zone in late)
        if not session.timed or any(option.window.most is None for option in options):
            return False
        ages = _longest_ages(options)
        return session.zone.passed([(EVENT, self._at_deadline)], ages) is not None

    def _pass_on(self, session: _Session, option: _Option, zone: Zone) -> None:
        """Note what time it is after an option has happened."""
        if option.branch.kind is not Kind.EFFECT:
            began = session.began.get(_clock(option.branch), 0)
            session.latest = began + self._longest(option)
            session.timed = session.timed and option.window.most is not None
        session.zone = zone
        self._start_clocks(session)

    def _longest(self, option: _Option) -> int:
        """Return how long an option takes at most, if services end by their time-outs."""
        if option.window.most is not None:
            return option.window.most
        if option.answer is None:
            return option.window.least
        invocation = self._table.activities.invocations[option.branch.activity]
        limit = self._table.service_timeout if invocation.timeout is None else invocation.timeout
        return nanoseconds(limit)

    def _start_clocks(self, session: _Session) -> None:
        """Start clocks for what was started, and drop those of what has ended."""
        settling = session.settling
        delays = [_clock_of_delay(each.id, each.number) for each in settling.delays]
        services = [(each.id, each.number, each.attempt) for each in settling.pending]
        outside = [_clock_of_delay(each.id, each.number) for each in settling.delays_outside]
        timed = [*delays, *services] if self._known_time else delays
        kept = [*timed, *outside]
        session.had = session.had.intersection(services)
        session.late = session.late.intersection(services)
        if self._known_time and any(
            (each.id, each.number, each.attempt) in session.had and not self._may_be_early(each)
            for each in settling.pending
        ):  # no time may pass until these come back
            timed.append(INSTANT)
            kept.append(INSTANT)
        new = [each for each in timed if each not in session.zone.clocks]
        session.zone = session.zone.with_clocks(kept, new)
        latest = min(session.latest, self._deadline) if self._table.failures else 0
        session.began = {clock: session.began.get(clock, latest) for clock in [*services, *delays]}

    def _late(self, configuration: tuple[str, ...], left: int) -> int:
        error = DeadlineExceededError(seconds=self._table.deadline, configuration=configuration)
        return self._error(error, left)

    # --- leaves ---------------------------------------------------------------------------

    def _error(self, error: SettleError, left: int) -> int:
        node = TableNode(
            ProgramNodeKind.ERROR, text=str(error), failures=self._table.failures - left
        )
        return self._table._intern(node)

    def _leaf(self, session: _Session) -> TableNode:
        settlement = session.settling.settlement
        assert settlement is not None
        if not settlement.saved:
            return TableNode(ProgramNodeKind.SKIP, outcome=settlement.outcome)
        after = settlement.after
        durable = self._table.durable
        return TableNode(
            ProgramNodeKind.SAVE,
            state=self._table._state(after),
            outcome=settlement.outcome,
            only_start=settlement.only_start_saved,
            started=self._started(session, settlement),
            kept=tuple(durable.index(each) for each in settlement.kept if each in durable),
        )

    def _started(self, session: _Session, settlement: Settlement) -> tuple[DelayStart, ...]:
        found = []
        for delay in settlement.timers:
            place = self._table.durable.index(delay.id)
            if not self._known_time:
                found.append(DelayStart(place))
                continue
            seconds, clock = nanoseconds(delay.seconds), _clock_of_delay(delay.id, delay.number)
            age = session.zone.age(clock) if clock in session.zone.clocks else Window(0, 0)
            most = seconds if age.most is None else age.most
            found.append(DelayStart(place, max(0, seconds - most), max(0, seconds - age.least)))
        return tuple(found)


def _clock(branch: Branch) -> Clock:
    if branch.kind is Kind.DELAY:
        return _clock_of_delay(branch.activity, branch.number)
    return branch.activity, branch.number, branch.attempt


def _clock_of_delay(id_: str, number: int) -> Clock:
    return f"after.{id_}", number, 1  # a service may have the same id as a delay


def _longest_ages(options: Sequence[_Option]) -> dict[Clock, int | None]:
    """Return the greatest age that each clock can reach; None for no bound."""
    most: dict[Clock, int | None] = {INSTANT: 0}
    for each in options:
        clock, bound = _clock(each.branch), each.window.most
        known = most.get(clock, 0)
        most[clock] = None if known is None or bound is None else max(known, bound)
    return most


def _told(error: Exception) -> str:
    """Name an error, with its message if it has one."""
    text = error_message(error)
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__
