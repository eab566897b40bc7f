"""Stops a program at every system call, in every way, and looks at what it finds then.

The program is a list of steps, each of them one transaction. It is run once on a model
disk that is copied before each call. From each copy follow the disks that may be found:

* the process is killed before the call, or, where it writes, after any part of the write;
* the power is cut at that moment, with every image of the disk that this may leave.

Each of these disks is opened again. It must hold, whole, the state that was acknowledged or
that plus the step under way; a step that promises to survive only the end of its process
may be missing after a power cut. Then it must take one more transaction, and have it when it
is opened once more, also after the worst power cut.

Then the program is run again for each call and each error that the call may give. The same
object, or where it refuses a new one, must go on to the end as if nothing had been, and
whatever it acknowledged must survive.
"""

from __future__ import annotations

import errno
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.crash.model_disk import ModelDisk, Write
from tests.crash.model_files import CHANGING, Call, Fail, ModelFiles, Short, Trouble

__all__ = ["Program", "Report", "Violation", "enumerate_points"]


class Program(Protocol):
    """What is stopped: something that keeps its state in files.

    A state is a text that says everything; state 0 is before the first step.
    """

    @property
    def name(self) -> str: ...

    @property
    def durable(self) -> Sequence[bool]:
        """Of each step, whether it promises to survive a power cut."""
        ...

    @property
    def states(self) -> Sequence[str]:
        """The state after none, one, two ... of the steps; one more than there are steps."""
        ...

    @property
    def probed(self) -> Sequence[str]:
        """The same, each with the one more transaction."""
        ...

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What a step may raise when a system call fails."""
        ...

    def open(self, files: ModelFiles) -> Any:
        """Open what is on the disk, or make it."""
        ...

    def perform(self, running: Any, step: int) -> Any:
        """Do one step and return the object to go on with."""
        ...

    def state(self, running: Any) -> str:
        """Return the state."""
        ...

    def probe(self, running: Any) -> None:
        """Make one more transaction, durable."""
        ...


@dataclass(frozen=True)
class Violation:
    """A disk on which something was not as promised."""

    how: str
    """In which way the program was stopped or disturbed."""
    kind: str
    where: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} ({self.how} {self.where}) {self.detail}".rstrip()


@dataclass
class Report:
    """What was tried and what was found."""

    name: str
    calls: int = 0
    """How many system calls the program makes, those that only read included."""
    points: Counter[str] = field(default_factory=Counter)
    """How often it was stopped or disturbed in each way."""
    images: int = 0
    """How many disks were to be opened again."""
    distinct: int = 0
    """How many of them were different, and were opened."""
    refusals: int = 0
    """How often an object refused to go on after an error, and a new one had to be opened."""
    violations: list[Violation] = field(default_factory=list)

    def __str__(self) -> str:
        points = ", ".join(f"{number} {name}" for name, number in self.points.items())
        kinds = Counter(violation.kind for violation in self.violations)
        found = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        return (
            f"{self.name}: {self.calls} system calls, {sum(self.points.values())} points "
            f"({points}), {self.images} disk images, {self.distinct} of them different, "
            f"{len(self.violations)} violations{': ' if found else ''}{found}"
        )


@dataclass(frozen=True)
class Moment:
    """A disk before a call, and how far the program was."""

    call: Call
    disk: ModelDisk
    done: int


PARTS = (0.01, 0.34, 0.5, 0.9)
"""How much of a write there is when the process is killed in it; all but the last byte too."""


def enumerate_points(program: Program, patience: float = math.inf) -> Report:
    """Try everything and report.

    Parameters
    ----------
    patience : after so many violations nothing more is tried
    """
    check_states(program)
    report = Report(program.name)
    checker = Checker(program, report)
    moments, end = record(program)
    report.calls = len(moments)
    for moment in [*moments, Moment(Call(len(moments), "end", ""), end, len(program.durable))]:
        checker.check_kill(moment)
        checker.check_power_cut(moment)
        if len(report.violations) > patience:
            return report
    for moment in moments:
        if len(report.violations) > patience:
            return report
        for disturbance in disturbances(moment.call):
            Disturbed(program, report, checker, moment.call.index, disturbance).run()
    return report


def check_states(program: Program) -> None:
    """Run the program undisturbed, and see that each step gives the state that it should."""
    running = program.open(ModelFiles(ModelDisk()))
    assert program.state(running) == program.states[0]
    for step in range(len(program.durable)):
        running = program.perform(running, step)
        assert program.state(running) == program.states[step + 1], f"after step {step}"


def record(program: Program) -> tuple[list[Moment], ModelDisk]:
    """Run the program to its end and return the disk before each call, and after the last."""
    moments: list[Moment] = []
    done = 0

    def before(call: Call) -> Trouble:
        moments.append(Moment(call, files.disk.copy(), done))
        return None

    files = ModelFiles(ModelDisk(), before)
    running = program.open(files)
    for step in range(len(program.durable)):
        running = program.perform(running, step)
        done = step + 1
    return moments, files.disk


@dataclass(frozen=True)
class Found:
    """What was found when a disk was opened."""

    state: str | None
    """None where it does not open."""
    flaw: tuple[str, str] | None = None
    """What is wrong whatever the state should be: a kind, and details."""
    later: tuple[tuple[str, str], ...] = ()
    """The states after one more transaction, by what happened then."""


class Checker:
    """Opens disks again, each different one once."""

    def __init__(self, program: Program, report: Report) -> None:
        self.program = program
        self.report = report
        self._found: dict[object, Found] = {}
        self._cut: dict[object, int] = {}
        """The disks of which the power was cut, each with the number of its images."""

    def check_kill(self, moment: Moment) -> None:
        """Check what is there when the process is killed before or in a call."""
        allowed = range(moment.done, moment.done + 2)
        self.report.points["killed"] += 1
        self.check(moment.disk, allowed, "killed", str(moment.call))
        for size, torn in self._torn(moment):
            self.report.points["torn"] += 1
            self.check(torn, allowed, "torn", f"{moment.call} after {size} bytes")

    def check_power_cut(self, moment: Moment) -> None:
        """Check what a power cut before a call may leave."""
        self.report.points["power cut"] += 1
        # A write that the power cut tears is pending before the call after it.
        allowed = range(self.floor(moment.done), moment.done + 2)
        self.cut_power(moment.disk, allowed, "power cut", str(moment.call))

    def cut_power(self, disk: ModelDisk, allowed: range, how: str, where: str) -> None:
        """Check every image that a power cut may leave now."""
        key = disk.fingerprint(), allowed
        if key in self._cut:
            self.report.images += self._cut[key]
            return
        self._cut[key] = 0
        for image in disk.after_power_cut():
            self._cut[key] += 1
            self.check(image, allowed, how, where)

    def floor(self, done: int, doubtful: Collection[int] = ()) -> int:
        """Return how many steps a power cut must leave, of those that are done.

        Parameters
        ----------
        doubtful : steps that have ended with an error and are done all the same
        """
        durable = [
            step + 1 for step in range(done) if self.program.durable[step] and step not in doubtful
        ]
        return durable[-1] if durable else 0

    def _torn(self, moment: Moment) -> Iterator[tuple[int, ModelDisk]]:
        call = moment.call
        if call.file is None or not call.data:
            return
        text = len(call.data.rstrip(b" "))  # the rest are blanks for the records that come
        sizes = {int(text * part) for part in PARTS} | {text - 1, len(call.data) - 1}
        for size in sorted(sizes - {0}):
            disk = moment.disk.copy()
            file = next(each for each in disk.names.values() if each.number == call.file.number)
            file.change(Write(call.offset, call.data[:size]))
            yield size, disk

    def check(self, disk: ModelDisk, allowed: Iterable[int], how: str, where: str) -> None:
        """Open one disk and note what is wrong with it."""
        self.report.images += 1
        key = disk.fingerprint()
        if key not in self._found:
            self.report.distinct += 1
            self._found[key] = self._look(disk)
        steps = [step for step in allowed if step < len(self.program.states)]
        for kind, detail in self._judge(self._found[key], steps):
            self.report.violations.append(Violation(how, kind, where, detail))

    def _look(self, disk: ModelDisk) -> Found:
        """Open a disk, make one more transaction, and open what is left after that."""
        program = self.program
        files = ModelFiles(disk.copy())
        try:
            running = program.open(files)
            state = program.state(running)
        except Exception as error:
            return Found(None, (f"does not open: {type(error).__name__}", str(error)))
        try:
            program.probe(running)
        except Exception as error:
            return Found(state, (f"unusable: {type(error).__name__}", str(error)))
        later = []
        disks = {"kill": files.disk.copy(), "power cut": files.disk.after_the_worst_power_cut()}
        for name, after in disks.items():
            try:
                later.append((name, program.state(program.open(ModelFiles(after)))))
            except Exception as error:
                kind = f"broken by a second {name}: {type(error).__name__}"
                return Found(state, (kind, str(error)))
        return Found(state, None, tuple(later))

    def _judge(self, found: Found, allowed: Sequence[int]) -> Iterator[tuple[str, str]]:
        program = self.program
        steps = [step for step in allowed if program.states[step] == found.state]
        if found.state is not None and not steps:
            yield self._wrong(found.state, allowed), self.describe(found.state)
        elif found.flaw is not None:
            yield found.flaw
        for name, state in found.later if steps else ():
            if state not in [program.probed[step] for step in steps]:
                yield f"transaction after it lost by a {name}", self.describe(state)

    def describe(self, state: str) -> str:
        """Say which state it is."""
        for name, states in (("", self.program.states), (" and the probe", self.program.probed)):
            if state in states:
                return f"it is the state after {states.index(state)} steps{name}"
        return f"it is {state}"

    def _wrong(self, state: str, allowed: Sequence[int]) -> str:
        if state in self.program.states[: min(allowed)]:
            return "acknowledged step lost"
        return "half a transaction"


# --- errors ------------------------------------------------------------------------------------

Disturbance = tuple[str, Callable[[Call], Trouble], bool]
"""A name, what happens to a call, and whether it lasts until the step has returned."""


def _failing(number: int) -> Callable[[Call], Trouble]:
    return lambda call: Fail(number) if call.name in CHANGING or call.name == "read" else None


def _full(call: Call) -> Trouble:
    return Fail(errno.ENOSPC) if call.name in ("create", "write", "sync") else None


def _no_sync(call: Call) -> Trouble:
    return Fail(errno.EIO) if call.name in ("sync", "sync_folder") else None


def disturbances(call: Call) -> list[Disturbance]:
    """Return what may happen to a call, instead of its effect."""
    if call.name == "read":
        return [("EIO", _failing(errno.EIO), False)]
    if call.name not in CHANGING:
        return []
    found: list[Disturbance] = [
        ("EIO", _failing(errno.EIO), False),
        ("ENOSPC", _failing(errno.ENOSPC), False),
    ]
    if call.name in ("create", "write"):
        found.append(("disk full for a while", _full, True))
    if call.name == "write":
        found.append(("short write", lambda call: Short(), False))
        found.append(("short write, then full", _full, True))
    if call.name in ("sync", "sync_folder"):
        found.append(("no sync for a while", _no_sync, True))
    return found


class Disturbed:
    """One run in which one call, and perhaps those after it, go wrong."""

    def __init__(
        self,
        program: Program,
        report: Report,
        checker: Checker,
        index: int,
        disturbance: Disturbance,
    ) -> None:
        self.program, self.report, self.checker = program, report, checker
        self.index = index
        self.name, self.effect, self.lasting = disturbance
        self.where = f"at call {index}"
        self.hit = self.over = self.checked = self.failed_sync = False
        self.done = 0
        self.doubtful: set[int] = set()
        self.files = ModelFiles(ModelDisk(), self._before)

    def _before(self, call: Call) -> Trouble:
        if self.hit and not self.checked and self.failed_sync and call.name in CHANGING:
            # Killed after a sync that failed: the next process must not trust what it reads.
            self.report.points["failed sync, then killed"] += 1
            where = f"{self.where}, then killed {call}"
            allowed = range(self.done, self.done + 2)
            self.checker.check(self.files.disk.copy(), allowed, self.name, where)
        if self.over or call.index < self.index:
            return None
        if call.index == self.index:
            self.hit = True
            self.failed_sync = call.name == "sync" and self.name == "EIO"
            self.over = not self.lasting
            return Short() if self.name.startswith("short write") else self.effect(call)
        return self.effect(call)

    def _note(self, kind: str, detail: str = "") -> None:
        self.report.violations.append(Violation(self.name, kind, self.where, detail))

    def run(self) -> None:
        """Go through the program and check what is left of it."""
        self.report.points[self.name] += 1
        program = self.program
        try:
            running = self._open()
            for step in range(len(program.durable)):
                running = self._step(running, step)
            if program.state(running) != program.states[-1]:
                state = self.checker.describe(program.state(running))
                self._note("another end after an error", state)
        except _GivenUp:
            return
        assert self.hit, f"{self.name} {self.where} was never reached"
        end = len(program.durable)
        self.checker.check(self.files.disk.copy(), [end], self.name, f"{self.where}, to the end")
        allowed = range(self.checker.floor(end, self.doubtful), end + 1)
        worst = self.files.disk.after_the_worst_power_cut()
        self.checker.check(worst, allowed, self.name, f"{self.where}, to the end, then power cut")

    def _open(self) -> Any:
        try:
            return self.program.open(self.files)
        except self.program.errors:
            self.over = True
        except Exception as error:
            self._note(f"opening raises {type(error).__name__}", str(error))
            raise _GivenUp from error
        return self._reopen()

    def _reopen(self) -> Any:
        try:
            return self.program.open(self.files)
        except Exception as error:
            self._note(f"does not open after an error: {type(error).__name__}", str(error))
            raise _GivenUp from error

    def _step(self, running: Any, step: int) -> Any:
        """Do a step, again where it failed and is not done, and return what to go on with."""
        program, self.done = self.program, step
        try:
            running = program.perform(running, step)
        except program.errors:
            self.over = True
        except Exception as error:
            self._note(f"a step raises {type(error).__name__}", str(error))
            raise _GivenUp from error
        else:
            return self._ended(running, step)
        self.checked = True
        running, state = self._state(running)
        if state not in program.states[step : step + 2]:
            self._note("wrong state after an error", self.checker.describe(state))
            raise _GivenUp
        self._check_disk(step, in_flight=True)
        if state == program.states[step + 1] != program.states[step]:
            self.doubtful.add(step)
            return running
        try:
            running = program.perform(running, step)
        except Exception as error:
            self._note(f"can not go on after an error: {type(error).__name__}", str(error))
            raise _GivenUp from error
        return self._ended(running, step)

    def _ended(self, running: Any, step: int) -> Any:
        """Check the disk after the first step that ended well after the trouble."""
        if self.hit and not self.checked:
            self.over = self.checked = True
            self._check_disk(step + 1, in_flight=False)
        return running

    def _state(self, running: Any) -> tuple[Any, str]:
        """Return the state as the same object and as another process see it."""
        program = self.program
        try:
            try:
                state = program.state(running)
            except program.errors:
                self.report.refusals += 1
                running = self._reopen()
                state = program.state(running)
            other = program.state(program.open(ModelFiles(self.files.disk.copy())))
        except _GivenUp:
            raise
        except Exception as error:
            self._note(f"unusable after an error: {type(error).__name__}", str(error))
            raise _GivenUp from error
        if other != state:
            both = f"{self.checker.describe(state)}, {self.checker.describe(other)}"
            self._note("memory differs from the file after an error", both)
            raise _GivenUp
        return running, state

    def _check_disk(self, done: int, *, in_flight: bool) -> None:
        """Check what a kill and a power cut leave now."""
        self._check(self.files.disk.copy(), done, done + (2 if in_flight else 1))

    def _check(self, disk: ModelDisk, done: int, end: int) -> None:
        self.checker.check(disk, range(done, end), self.name, f"{self.where}, then killed")
        allowed = range(self.checker.floor(done, self.doubtful), end)
        self.checker.cut_power(disk, allowed, self.name, f"{self.where}, then power cut")


class _GivenUp(Exception):  # noqa: N818
    """The run can not go on; why is noted."""
