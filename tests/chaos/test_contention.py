"""Processes and threads at one store: no update is lost, and everybody gets on."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from settlesim.store import FifoQueue, SqliteStore
from tests.chaos.contending import GROUPS, MESSAGES, OWN, SHARED, TASKS
from tests.chaos.nursery import PATIENCE, Nursery, log_of

Contest = Callable[[str, Path, int], dict[str, dict[str, Any]]]

RIVALS = pytest.mark.parametrize(
    "rivals",
    [pytest.param(2, marks=pytest.mark.nightly), 4, pytest.param(8, marks=pytest.mark.nightly)],
)


def by_processes(task: str, path: Path, rivals: int) -> dict[str, dict[str, Any]]:
    """Let as many processes do a task at once and return what each says."""
    names = [f"process {number}" for number in range(rivals)]
    folder = path.parent
    with Nursery(folder) as nursery:
        running = [nursery.start("contend", task=task, name=name, rivals=rivals) for name in names]
        end = time.monotonic() + PATIENCE
        while not all((folder / f"{name} is ready").exists() for name in names):
            assert time.monotonic() < end, log_of(folder)
            time.sleep(0.001)
        (folder / "go").touch()
        for process in running:
            assert nursery.wait(process, PATIENCE) == 0, log_of(folder)
    return {name: json.loads((folder / f"{name} is done").read_text()) for name in names}


def by_threads(task: str, path: Path, rivals: int) -> dict[str, dict[str, Any]]:
    """Let as many threads do a task at once with one store."""
    start = Barrier(rivals)
    names = [f"thread {number}" for number in range(rivals)]
    with SqliteStore(path) as store, ThreadPoolExecutor(rivals) as pool:

        def go(name: str) -> dict[str, Any]:
            start.wait()
            return TASKS[task](store, name, rivals)

        return dict(zip(names, pool.map(go, names), strict=True))


@pytest.fixture(params=[by_processes, by_threads])
def contest(request: pytest.FixtureRequest) -> Contest:
    """Who are the rivals."""
    chosen: Contest = request.param
    return chosen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def note(finding: Callable[[object], None], task: str, found: dict[str, dict[str, Any]]) -> None:
    """Report how the work was shared."""
    served = [each["acknowledged"] for each in found.values()]
    kind = next(iter(found)).split()[0]
    plural = {"process": "processes", "thread": "threads"}[kind]
    finding(
        f"contention: {len(found)} {plural}, {task}: {sum(served)} acknowledged, 0 lost, least and "
        f"most served {min(served)} / {max(served)}, "
        f"{sum(each['conflicts'] for each in found.values())} conflicts"
    )


@RIVALS
def test_rivals_for_one_instance_lose_no_update_and_all_get_on(
    path: Path, contest: Contest, rivals: int, finding: Callable[[object], None]
) -> None:
    """Every acknowledged increment is there, by the one who made it."""
    found = contest("one key", path, rivals)
    with SqliteStore(path) as store:
        hot = store.load("hot")
    assert hot is not None
    assert hot.revision == len(hot.context["log"]) >= SHARED
    assert Counter(hot.context["log"]) == {
        name: each["acknowledged"] for name, each in found.items()
    }
    assert min(each["acknowledged"] for each in found.values()) > 0
    note(finding, "one key", found)


@RIVALS
def test_rivals_with_instances_of_their_own_lose_no_update_and_never_conflict(
    path: Path, contest: Contest, rivals: int, finding: Callable[[object], None]
) -> None:
    """One store, another instance each."""
    found = contest("own keys", path, rivals)
    with SqliteStore(path) as store:
        for name in found:
            own = store.load(f"own {name}")
            assert own is not None
            assert (own.revision, own.context["log"]) == (OWN, [name] * OWN)
    note(finding, "own keys", found)


@RIVALS
def test_consumers_of_one_queue_get_every_message_once_and_in_order(
    path: Path, contest: Contest, rivals: int, finding: Callable[[object], None]
) -> None:
    """No message is received twice, and each consumer sees the messages of a group in order."""
    with SqliteStore(path) as store:
        queue = FifoQueue(store, "work")
        sent = {
            number: group
            for _ in range(MESSAGES)
            for group in range(GROUPS)
            for number in [queue.send(group, str(group))]
        }
    found = contest("one queue", path, rivals)
    assert Counter(number for each in found.values() for number in each["got"]) == Counter(
        list(sent)
    )
    for each in found.values():
        for group in range(GROUPS):
            mine = [number for number in each["got"] if sent[number] == group]
            assert mine == sorted(mine)
    note(finding, "one queue", found)
