"""kill -9 at random moments: every event counts once and in order, and the store stays readable.

A run that fails prints its seed; ``CHAOS_SEED=NUMBER pytest tests/chaos/test_kill.py`` repeats
what it did, if not what the machine made of it. ``benchmarks/chaos.py`` does it at length.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from settlesim.store import FifoQueue, SqliteStore
from tests.chaos.campaign import Campaign, Outcome, Plan, check
from tests.chaos.charts import FOLDER, patient
from tests.chaos.ledger import Ledger
from tests.chaos.nursery import PATIENCE, log_of
from tests.chaos.phases import phase_of
from tests.chaos.roles import CHART, STORE, event_of
from tests.documents import ROOT


@pytest.fixture
def seed() -> int:
    """Another one each time, so that many runs see more than one does."""
    given = os.environ.get("CHAOS_SEED")
    return random.SystemRandom().randrange(1_000_000) if given is None else int(given)


def test_killed_workers_and_senders_lose_double_and_reorder_nothing(
    tmp_path: Path, seed: int, finding: Callable[[object], None]
) -> None:
    """Sixty kills, a fifth of the events sent twice, frozen workers, slow services, poison."""
    plan = Plan(seed=seed, kills=60, freezes=3, longest=0.3)
    outcome = Campaign(plan, tmp_path).run()
    finding(outcome)
    told = f"{outcome}\n{outcome.faults}\n{log_of(tmp_path)}"
    assert not outcome.faults, told
    assert outcome.kills == sum(outcome.phases.values()) == 60, told
    assert outcome.between >= outcome.kills / 3, told
    assert outcome.freezes == 3, told
    assert sum(outcome.refused.values()) >= 3, told  # each came back and was told so
    assert outcome.repeated_sends >= outcome.sent / 10, told
    assert outcome.settled > outcome.kills, told
    assert outcome.dead > 0, told
    assert outcome.slow > 0, told


# --- through the command line ------------------------------------------------------------------

EVENTS, KEYS = 10, 4
VISIBILITY = 1.0


class Commands:
    """Processes that run ``settlesim``, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: object) -> subprocess.Popen[bytes]:
        """Start a command; what it prints goes to the file ``log``."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "settlesim", *map(str, arguments)],
                cwd=ROOT,
                env={**os.environ, FOLDER: str(self.folder)},
                stdout=log,
                stderr=log,
            )
        self.running.append(process)
        return process

    def work(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        options = ["--visibility", VISIBILITY, "--max-failures", 2, "--log", "off"]
        return self.start("work", CHART, "--store", self.folder / STORE, *options)

    def send(self) -> subprocess.Popen[bytes]:
        """Start a sender of all events."""
        lines = ["--lines", self.folder / "events.jsonl"]
        return self.start("send", CHART, "--store", self.folder / STORE, *lines)

    def end(self) -> None:
        """Let none of them outlive the test."""
        for process in self.running:
            process.kill()
            process.wait()


def write_events(seed: int, folder: Path) -> Plan:
    """Write the lines that are sent, and what a sender will have acknowledged."""
    plan = Plan(seed=seed, kills=0, freezes=0, keys=KEYS)
    sent = Ledger(folder / "sent")
    with (folder / "events.jsonl").open("w") as file:
        for number in range(1, EVENTS + 1):
            for key in plan.names():
                body = event_of(seed, key, number, VISIBILITY)
                file.write(json.dumps({"key": key, "id": f"{key}-{number}", **body}) + "\n")
                sent.add(key=key, number=number)
    return plan


def wait_until(done: Callable[[], bool], told: str) -> None:
    """Wait for what has to come at last."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, told
        time.sleep(0.01)


def is_serving(folder: Path, process: int) -> bool:
    """Say whether a worker has something in its hands."""
    return phase_of(folder, process) == "in service"


@pytest.mark.parametrize(
    ("senders", "workers"), [(1, 2), pytest.param(2, 4, marks=pytest.mark.nightly)]
)
def test_command_line_workers_and_senders_that_are_killed_lose_nothing(
    tmp_path: Path, seed: int, finding: Callable[[object], None], senders: int, workers: int
) -> None:
    """``settlesim send`` and ``settlesim work``, killed and started again."""
    plan, outcome, dice = write_events(seed, tmp_path), Outcome(seed), random.Random(seed)
    commands = Commands(tmp_path)
    told = f"seed {seed}, {tmp_path}"
    try:
        for _ in range(senders):
            sender = commands.send()
            wait_until((tmp_path / STORE).exists, told)
            time.sleep(dice.uniform(0.0, 0.1))
            sender.kill()
            outcome.kills += sender.wait() == -signal.SIGKILL
        assert commands.send().wait(PATIENCE) == 0, log_of(tmp_path)
        for _ in range(workers):
            worker = commands.work()
            wait_until(partial(is_serving, tmp_path, worker.pid), told)
            time.sleep(dice.uniform(0.0, 0.2))
            worker.kill()
            assert worker.wait() == -signal.SIGKILL, log_of(tmp_path)
            outcome.kills += 1
            outcome.phases[phase_of(tmp_path, worker.pid)] += 1
        worker = commands.work()
        with SqliteStore(tmp_path / STORE) as store:
            queue = FifoQueue(store, patient.name)
            wait_until(lambda: not queue.status().depth, told)
        worker.terminate()
        assert worker.wait(PATIENCE) == 0, log_of(tmp_path)
        verify = commands.start("verify", "--store", tmp_path / STORE)
        assert verify.wait(PATIENCE) == 0, log_of(tmp_path)
    finally:
        commands.end()
    check(plan, tmp_path, outcome)
    finding(f"through the command line: {outcome}")
    assert not outcome.faults, f"{outcome}\n{outcome.faults}\n{log_of(tmp_path)}"
    assert outcome.kills >= workers
    assert outcome.settled + outcome.dead == EVENTS * KEYS
