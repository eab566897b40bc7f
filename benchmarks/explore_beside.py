"""How fast the search in plain Python is beside an earlier version of this repository.

    python -m benchmarks.explore_beside b4b0ad7

Both trees explore the same scenarios, as if numba were not installed, each in a process of its own.
They take turns, each first every other time, until either has used eight seconds of CPU for a
scenario: a processor changes its speed from second to second, and in many short turns it does so
for both alike. The states per second are those of all turns. What is required is that today's tree
explores at least as many. Two runs of one tree differ by some per cent, so a ratio from 0.95 counts
as that. A scenario may have another number of states in each tree, since the model has grown.

The earlier tree is taken from git, and runs with the packages of this environment; those that only
it needs have to be installed here as well. The exit status is 1 if a scenario misses the
requirement, or if the earlier tree does not run.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

NOISE = 0.95
"""The least ratio that counts as equally fast."""
SECONDS = 8.0
"""CPU time that each tree uses for a scenario, at least."""
PLAIN = ((4, 3, 4), (5, 1, 3), (5, 1, 5), (6, 1, 2))
"""Events, services and workers of the scenarios on the append log, as in `benchmarks.explore`."""
WATCHED = "order, faults and all monitors"
NAMES = (*(f"plain {size}" for size in PLAIN), WATCHED)


def answer() -> None:
    """Explore each scenario that is named on a line of the input, by the tree that is imported.

    The scenarios are those of `benchmarks.explore`, which an earlier tree cannot import.
    """
    sys.modules["numba"] = None  # type: ignore[assignment,unused-ignore]  # no module can import it
    from settlesim.gallery import append_log, order
    from settlesim.sim import Scenario, explore

    scenarios: dict[str, Any] = {}
    for number, services, workers in PLAIN:
        events = [f"E{index}" for index in range(1, number + 1)]
        scenario = Scenario(append_log(number, services), events, workers=workers)
        scenarios[f"plain {number, services, workers}"] = scenario
    scenarios[WATCHED] = Scenario(
        order,
        ["PAY", "CANCEL", "SHIP"],
        queue="standard",
        protections=["cas"],
        faults={"crashes": 1, "expiries": 1},
        monitors="all",
    )
    for line in sys.stdin:
        began = time.process_time()
        states = explore(scenarios[line.rstrip()]).states
        print(json.dumps([states, time.process_time() - began]), flush=True)


class Tree:
    """A process that explores scenarios by one tree."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def explored(self, scenario: str) -> tuple[int, float]:
        """Return the states of a scenario, and the CPU seconds."""
        pipe, answers = self._process.stdin, self._process.stdout
        assert pipe is not None
        assert answers is not None
        try:
            print(scenario, file=pipe, flush=True)
            states, seconds = json.loads(answers.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            why = (self._process.communicate()[1].strip().splitlines() or ["no error"])[-1]
            missing = "ModuleNotFoundError" in why
            hint = "; install it here, or name its folder in PYTHONPATH" if missing else ""
            raise SystemExit(f"the tree {self.name} does not run here: {why}{hint}") from None
        return states, seconds

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def compare(then: Tree, today: Tree) -> bool:
    """Print a line for each scenario; return whether today's tree is as fast in all."""
    good = True
    for scenario in NAMES:
        turns = [then, today]
        states, explored = dict.fromkeys(turns, 0), dict.fromkeys(turns, 0)
        used = dict.fromkeys(turns, 0.0)
        while min(used.values()) < SECONDS:
            for tree in turns:
                states[tree], seconds = tree.explored(scenario)
                explored[tree] += states[tree]
                used[tree] += seconds
            turns.reverse()
        rates = {tree: explored[tree] / used[tree] for tree in turns}
        words = [
            f"{each.name} {states[each]:,} states, {rates[each]:,.0f} states/s"
            for each in (then, today)
        ]
        ratio = rates[today] / rates[then]
        good = good and ratio >= NOISE
        verdict = "ok" if ratio >= NOISE else "MISSED"
        print(f"{scenario:31} {'; '.join(words)}; ratio {ratio:.2f} >= {NOISE} {verdict}")
    return good


def main() -> int:
    """Compare today's tree with that of a commit."""
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m benchmarks.explore_beside COMMIT")
    commit, here = sys.argv[1], Path(__file__).resolve().parent.parent
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit, "settlesim"],
        cwd=here,
        capture_output=True,
        timeout=60,
        check=False,
    )
    if archive.returncode:
        raise SystemExit(archive.stderr.decode().strip())
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
        trees = Tree(commit, Path(folder)), Tree("today", here)
        try:
            good = compare(*trees)
        finally:
            for tree in trees:
                tree.end()
    print(f"the search is {'not slower' if good else 'slower'} than that of {commit}")
    return 0 if good else 1


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(main())
    answer()
