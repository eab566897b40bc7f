"""kill -9 of a server whose clients try again: every event counts once and in order."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from settlesim.http.serving import listening_socket
from settlesim.store import SqliteStore, verify_store
from tests.chaos.charts import FOLDER
from tests.chaos.ledger import read
from tests.chaos.nursery import PATIENCE, Nursery, log_of
from tests.chaos.roles import CHART
from tests.documents import ROOT

CLIENTS = 6
NO_TLS = False
"""There is none here, and to read the certificates of the world takes longer than a request."""


class Server:
    """``settlesim serve`` on one port and one store, started anew as often as it was killed.

    Parameters
    ----------
    nursery : forks the processes; without one each is started as a reader does it
    """

    def __init__(self, folder: Path, nursery: Nursery | None = None) -> None:
        self.folder = folder
        self.nursery = nursery
        with listening_socket("127.0.0.1", 0) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.store = folder / "store.db"
        self.process: subprocess.Popen[bytes] | int | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        words = [CHART, "--store", str(self.store), "--port", str(self.port)]
        words += ["--visibility", "1", "--log", "off"]
        if self.nursery is None:
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "settlesim", "serve", *words],
                    cwd=ROOT,
                    env={**os.environ, FOLDER: str(self.folder)},
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                )
        else:
            module = "tests.chaos.serving_role"
            self.process = self.nursery.start("serve", module=module, words=words)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert not self.has_ended(), log_of(self.folder)
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5, verify=NO_TLS).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError("the server does not answer")

    def has_ended(self) -> bool:
        """Say whether it ended by itself."""
        if isinstance(self.process, int):
            assert self.nursery is not None
            if self.nursery.wait(self.process, 0.0) is not None:
                self.process = None
            return self.process is None
        return self.process is None or self.process.poll() is not None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.process is not None:
            self.kill()

    def kill(self, number: int = signal.SIGKILL) -> int | None:
        """End it."""
        process, self.process = self.process, None
        assert process is not None
        if isinstance(process, int):
            assert self.nursery is not None
            os.kill(process, number)
            return self.nursery.wait(process, PATIENCE)
        process.send_signal(number)
        return process.wait(PATIENCE)


def post(server: Server, key: str, number: int, wait: float, seconds: float) -> dict[str, Any]:
    """Send an event until the server has said what became of it."""
    data = {"key": key, "number": number, "seconds": seconds, "poison": False}
    body = {"type": "ADD", "data": data}
    headers = {"Idempotency-Key": f"{key}-{number}"}
    end = time.monotonic() + 4 * PATIENCE
    while time.monotonic() < end:
        try:
            answer = httpx.post(
                f"{server.url}/machines/{key}/events",
                params={"wait": wait},
                json=body,
                headers=headers,
                timeout=30,
                verify=NO_TLS,
            )
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        assert answer.status_code in (200, 202, 503), answer.text
        if answer.status_code != 503:
            found: dict[str, Any] = answer.json()
            return found
    raise AssertionError(f"event {number} of {key} was never accepted")


def client(server: Server, key: str, seed: int, stop: threading.Event) -> int:
    """Send events of one instance, a fifth of them twice, until told to stop."""
    dice = random.Random(f"{seed} {key}")
    number = 0
    while not stop.is_set():
        seconds = dice.choice((0.0, 0.02, 0.2))
        for _ in range(2 if dice.random() < 0.2 else 1):
            post(server, key, number, dice.choice((0, 0, 0.1, 5)), seconds)
        number += 1
    return number


def campaign(folder: Path, seed: int, kills: int) -> str:
    """Kill the server so often, and compare what was applied with what was accepted."""
    keys = [f"key{number}" for number in range(CLIENTS)]
    with Nursery(folder) as nursery, Server(folder, nursery) as server:
        sent = under_kills(server, keys, seed, kills)
        for key, count in sent.items():
            last = f"{server.url}/machines/{key}/events/{key}-{count - 1}"
            question: dict[str, Any] = {"params": {"wait": 20}, "timeout": 60, "verify": NO_TLS}
            while httpx.get(last, **question).json()["stage"] == "waiting":
                pass
        assert server.kill(signal.SIGTERM) == 0
    effects = read(folder / "effects")
    with SqliteStore(server.store) as store:
        for key, count in sent.items():
            found = store.load(key)
            assert found is not None
            assert list(found.context["log"]) == list(range(count)), key
        assert store.queue_names() == []
    assert verify_store(server.store).is_whole
    different = {each["idempotency_key"] for each in effects}
    assert len(different) == 2 * sum(sent.values())
    return (
        f"embedded behind HTTP: {kills} kills, {sum(sent.values())} events on {CLIENTS} keys, 0 "
        f"lost, 0 doubled, 0 reordered; {len(effects) - len(different)} of {len(different)} "
        "effects repeated"
    )


def under_kills(server: Server, keys: list[str], seed: int, kills: int) -> dict[str, int]:
    """Kill the server while clients send, and return how many events each instance got."""
    dice, stop = random.Random(seed), threading.Event()
    with ThreadPoolExecutor(len(keys)) as clients:
        running = {key: clients.submit(client, server, key, seed, stop) for key in keys}
        try:
            for _ in range(kills):
                time.sleep(dice.uniform(0.05, 1.5))
                server.kill()
                server.start()
        finally:
            stop.set()
        return {key: each.result(8 * PATIENCE) for key, each in running.items()}


@pytest.fixture
def seed() -> int:
    """Another one each time; a failing run prints it, and CHAOS_SEED repeats it."""
    given = os.environ.get("CHAOS_SEED")
    return random.SystemRandom().randrange(1_000_000) if given is None else int(given)


def test_a_killed_server_loses_doubles_and_reorders_nothing(
    tmp_path: Path, seed: int, finding: Callable[[object], None]
) -> None:
    """Clients try again with the same Idempotency-Key."""
    finding(campaign(tmp_path, seed, kills=3))


@pytest.mark.nightly
def test_a_server_that_is_killed_often_does_not_either(
    tmp_path: Path, seed: int, finding: Callable[[object], None]
) -> None:
    """Thirty times."""
    finding(campaign(tmp_path, seed, kills=30))


def test_an_event_survives_a_kill_between_its_acceptance_and_its_end(tmp_path: Path) -> None:
    """Accepted with 202, then kill -9: the next server settles it."""
    with Server(tmp_path) as server:
        accepted = post(server, "a", 0, wait=0, seconds=1.5)
        assert accepted["status"] == "accepted"
        server.kill()
        server.start()
        again = post(server, "a", 0, wait=30, seconds=1.5)
        assert (again["status"], again["outcome"], again["new"]) == ("settled", "resolved", False)
        assert server.kill(signal.SIGTERM) == 0
    with SqliteStore(server.store) as store:
        found = store.load("a")
    assert found is not None
    assert len(found.context["log"]) == 1
