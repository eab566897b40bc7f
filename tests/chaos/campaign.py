"""Workers and senders that are killed and frozen at random moments, and what is left of it.

A campaign is repeatable only in what it does, not in what the machine makes of it: the seed
gives the events, the victims and the waits between two kills.
"""

from __future__ import annotations

import math
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from settlesim.store import FifoQueue, SqliteStore
from tests.chaos.charts import patient
from tests.chaos.ledger import read
from tests.chaos.nursery import PATIENCE, Nursery
from tests.chaos.phases import BETWEEN, phase_of
from tests.chaos.roles import STORE, is_poison

__all__ = ["Campaign", "Outcome", "Plan"]


@dataclass(frozen=True)
class Plan:
    """What a campaign does."""

    seed: int
    kills: int
    freezes: int
    workers: tuple[int, ...] = (1, 4, 1)
    """How many events each of them handles concurrently."""
    senders: int = 2
    commands: bool = True
    """Whether the last worker and the last sender are those of the command line."""
    keys: int = 10
    visibility: float = 0.8
    """Seconds for which a received message is hidden from other workers."""
    longest: float = 0.6
    """Seconds between two kills, at most."""
    ahead: int = 4

    def names(self) -> list[str]:
        """Return the keys."""
        return [f"key-{number}" for number in range(self.keys)]


@dataclass
class Outcome:
    """What was counted."""

    seed: int
    kills: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    """How many kills fell in which phase."""
    freezes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """What the store refused, of workers that were too late."""
    sent: int = 0
    """Different events that were acknowledged."""
    repeated_sends: int = 0
    settled: int = 0
    dead: int = 0
    slow: int = 0
    """Effects of services that took longer than the lease."""
    effects: int = 0
    repeated_effects: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)
    """Processes that ended by themselves."""

    @property
    def between(self) -> int:
        """How many kills fell between load and commit."""
        return sum(self.phases[phase] for phase in BETWEEN)

    @property
    def faults(self) -> list[str]:
        """What may not be; empty where all is well."""
        groups = (self.lost, self.doubled, self.reordered, self.unreadable, self.crashed)
        return [fault for group in groups for fault in group]

    def __str__(self) -> str:
        phases = ", ".join(f"{number} {name}" for name, number in self.phases.most_common())
        refused = ", ".join(f"{number} {name}" for name, number in self.refused.most_common())
        return (
            f"kill -9, seed {self.seed}: {self.kills} kills ({phases}), {self.between} of them "
            f"between load and commit; {self.freezes} workers frozen; {self.sent} events "
            f"acknowledged, {self.repeated_sends} of them sent again; {self.settled} settled, "
            f"{self.dead} dead letters; {self.slow} effects of services slower than the lease; "
            f"{self.repeated_effects} of {self.effects} effects repeated; refused: "
            f"{refused or 'nothing'}; lost {len(self.lost)}, doubled {len(self.doubled)}, "
            f"reordered {len(self.reordered)}, unreadable {len(self.unreadable)}"
        )


class Campaign:
    """One run of a plan.

    Parameters
    ----------
    plan : what to do
    folder : an empty one, for the store, the ledgers and the log
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.outcome = Outcome(plan.seed)
        self._dice = random.Random(plan.seed)
        self._workers: list[int] = []
        self._senders: list[int] = []

    def run(self) -> Outcome:
        """Kill, wait until everything is handled, and check."""
        with Nursery(self.folder) as self._nursery:
            self._workers = [self._start_worker(index) for index in range(len(self.plan.workers))]
            self._senders = [self._start_sender(index) for index in range(self.plan.senders)]
            turns = ["kill"] * self.plan.kills + ["freeze"] * self.plan.freezes
            self._dice.shuffle(turns)
            for turn in turns:
                time.sleep(self._dice.uniform(0.0, self.plan.longest))
                self._kill() if turn == "kill" else self._freeze()
            (self.folder / "stop").touch()
            self._end("sender", self._senders)
            self._drain()
            for process in self._workers:
                os.kill(process, signal.SIGTERM)
            self._end("worker", self._workers)
        check(self.plan, self.folder, self.outcome)
        return self.outcome

    def _start_worker(self, index: int) -> int:
        return self._nursery.start(
            "work",
            visibility=self.plan.visibility,
            concurrency=self.plan.workers[index],
            command=self.plan.commands and index == len(self.plan.workers) - 1,
        )

    def _start_sender(self, index: int) -> int:
        keys = self.plan.names()[index :: self.plan.senders]
        return self._nursery.start(
            "send",
            seed=self.plan.seed,
            keys=keys,
            visibility=self.plan.visibility,
            ahead=self.plan.ahead,
            command=self.plan.commands and index == self.plan.senders - 1,
        )

    def _kill(self) -> None:
        """Kill a worker or, one time in eight, a sender, and start another one.

        Every other time a worker is killed in a service, however busy the machine is.
        """
        sender = self._dice.random() < 0.125
        group = self._senders if sender else self._workers
        index = self._dice.randrange(len(group))
        process = group[index]
        if not sender and self.outcome.kills % 2:
            self._wait_for_service(process)
        ended = self._nursery.kill(process)
        if ended != -signal.SIGKILL:
            self.outcome.crashed.append(f"process {process} ended with status {ended}")
        self.outcome.kills += 1
        self.outcome.phases[phase_of(self.folder, process)] += 1
        group[index] = self._start_sender(index) if sender else self._start_worker(index)

    def _wait_for_service(self, process: int) -> None:
        end = time.monotonic() + PATIENCE
        while phase_of(self.folder, process) != "in service":
            assert time.monotonic() < end, f"seed {self.plan.seed}: {process} serves nothing"
            time.sleep(0.002)

    def _freeze(self) -> None:
        """Freeze a worker until another one has its message, and wait until it was told so.

        No kill comes before that.
        """
        end = time.monotonic() + PATIENCE
        told = f"seed {self.plan.seed}: no worker that was frozen was refused anything"
        while (process := self._stop_until_overtaken()) is None:
            assert time.monotonic() < end, told
            time.sleep(0.005)
        while all(line["process"] != process for line in read(self.folder / "refused")):
            assert time.monotonic() < end, told
            time.sleep(0.02)
        self.outcome.freezes += 1

    def _stop_until_overtaken(self) -> int | None:
        """Stop a worker in a service until its message is another one's, and let it continue.

        None where it was in no service, or nobody could get the message: a process that is
        stopped within a write holds the lock of the database.
        """
        # One of the library's, which writes down what it receives and what is refused to it.
        process = self._dice.choice(self._workers[:-1])
        os.kill(process, signal.SIGSTOP)
        try:
            held = self._held_by(process)
            if not held or phase_of(self.folder, process) != "in service":
                return None
            end = time.monotonic() + self.plan.visibility * 5
            while not self._is_overtaken(process, held):
                if time.monotonic() > end:
                    return None
                time.sleep(0.02)
            return process
        finally:
            os.kill(process, signal.SIGCONT)

    def _held_by(self, process: int) -> dict[int, int]:
        """Return the messages that a worker of the library was the last one to receive.

        Returns
        -------
        receives : by message, how often it had been received then
        """
        receptions = {
            line["message"]: line["receives"]
            for line in read(self.folder / "received")
            if line["process"] == process
        }
        marks = ", ".join("?" * len(receptions))
        statement = f"SELECT id, receives FROM messages WHERE in_flight AND id IN ({marks})"
        with closing(sqlite3.connect(self.folder / STORE)) as store:
            rows = store.execute(statement, list(receptions)).fetchall()
        return {message: receives for message, receives in rows if receptions[message] == receives}

    def _is_overtaken(self, process: int, held: dict[int, int]) -> bool:
        """Whether another worker has received one of these messages since.

        That a message is gone is not enough: while one thread waits for the disk, and cannot be
        stopped, another one of the same process may save what it has.
        """
        return any(
            line["process"] != process and line["receives"] > held.get(line["message"], math.inf)
            for line in read(self.folder / "received")
        )

    def _drain(self) -> None:
        """Wait until the queue is empty."""
        end = time.monotonic() + PATIENCE
        with SqliteStore(self.folder / STORE) as store:
            queue = FifoQueue(store, patient.name)
            while queue.status().depth:
                assert time.monotonic() < end, f"seed {self.plan.seed}: {queue.status()} stays"
                time.sleep(0.02)

    def _end(self, name: str, processes: list[int]) -> None:
        for process in processes:
            ended = self._nursery.wait(process, PATIENCE)
            if ended != 0:
                self.outcome.crashed.append(f"{name} {process} ended with status {ended}")


def check(plan: Plan, folder: Path, outcome: Outcome) -> None:
    """Compare what was acknowledged with what is in the store."""
    sent = read(folder / "sent")
    accepted = {
        key: {line["number"] for line in sent if line["key"] == key} for key in plan.names()
    }
    outcome.sent = sum(map(len, accepted.values()))
    outcome.repeated_sends = sum("again" in line for line in sent)
    outcome.refused.update(line["error"] for line in read(folder / "refused"))
    try:
        with SqliteStore(folder / STORE) as store:
            logs = {key: store.load(key) for key in plan.names()}
            letters = FifoQueue(store, patient.name).dead_letters()
    except Exception as error:
        outcome.unreadable.append(f"{type(error).__name__}: {error}")
        return
    for key, numbers in accepted.items():
        found = logs[key]
        log = [] if found is None else list(found.context["log"])
        dead = [int(letter.body["data"]["number"]) for letter in letters if letter.group_id == key]
        _check_key(plan.seed, key, numbers, log, dead, outcome)
    _check_effects(folder, outcome, plan.visibility)


def _check_key(
    seed: int, key: str, numbers: set[int], log: list[int], dead: list[int], outcome: Outcome
) -> None:
    done = log + dead
    outcome.settled += len(log)
    outcome.dead += len(dead)
    outcome.lost += [f"{key} {number}" for number in sorted(numbers - set(done))]
    times = Counter(done)
    outcome.doubled += [f"{key} {number}" for number, count in times.items() if count > 1]
    if log != sorted(log):
        outcome.reordered.append(f"{key}: {log}")
    # A sender that was killed may have sent one that it did not write down, and no more.
    if set(done) - numbers - {max(numbers, default=0) + 1}:
        outcome.doubled.append(f"{key}: events that nobody sent, of {sorted(done)}")
    poison = {number for number in done if is_poison(seed, key, number)}
    if poison != set(dead):
        outcome.lost.append(f"{key}: dead letters {dead}, which should be {sorted(poison)}")


def _check_effects(folder: Path, outcome: Outcome, visibility: float) -> None:
    """Count repeated effects; each has the same idempotency key every time, and its order."""
    effects = read(folder / "effects")
    seen: Counter[tuple[str, int, str]] = Counter()
    keys: dict[tuple[str, int, str], str] = {}
    latest: dict[tuple[str, str], int] = {}
    for line in effects:
        name = line["key"], line["number"], line["service"]
        seen[name] += 1
        if keys.setdefault(name, line["idempotency_key"]) != line["idempotency_key"]:
            outcome.doubled.append(f"{name} has two idempotency keys")
        if seen[name] == 1:
            lane = line["key"], line["service"]
            if latest.get(lane, 0) > line["number"]:
                outcome.reordered.append(f"effect {name} came after {latest[lane]}")
            latest[lane] = line["number"]
    outcome.effects = len(effects)
    outcome.repeated_effects = len(effects) - len(seen)
    outcome.slow = sum(line["seconds"] > visibility for line in effects)
    if len(set(keys.values())) != len(keys):
        outcome.doubled.append("two events have one idempotency key")
