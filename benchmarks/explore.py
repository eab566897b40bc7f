"""How fast the simulator is: states per second, large counts, the grid, memory per state.

The figures of the search in plain Python come first. If numba is installed, those of the sweep
that it compiles follow; if Spin is installed, both are compared with it.

    python -m benchmarks.explore

The memory of 2 million states is that of a process of its own, as the system counts it.
The exit status is 1 if a figure misses its requirement.
"""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from settlesim.gallery import append_log, order
from settlesim.progress import Reporter
from settlesim.sim import Scenario, explore, predict, protection_grid
from settlesim.sim.model import Model
from settlesim.sim.promela import to_promela
from settlesim.sim.search import count, search
from settlesim.sim.search_choice import search_endings, why_not_swept
from settlesim.sim.search_result import SearchResult

_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Figure:
    """One measured number and its requirement."""

    name: str
    value: float
    unit: str
    required: float
    at_least: bool

    @property
    def good(self) -> bool:
        """Whether it is as required."""
        return self.value >= self.required if self.at_least else self.value <= self.required

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        verdict = "ok" if self.good else "MISSED"
        return (
            f"{self.name:58} {self.value:12,.1f} {self.unit:9} {sign} {self.required:,} {verdict}"
        )


def timed(run: Callable[[], _Found]) -> tuple[_Found, float]:
    """Return what a run returns, and the CPU seconds of the fastest of three runs."""
    best = float("inf")
    for _ in range(3):
        began = time.process_time()
        found = run()
        best = min(best, time.process_time() - began)
    return found, best


def log_scenario(number: int, services: int, workers: int) -> Scenario:
    """Return a plain scenario on the append log."""
    events = [f"E{index}" for index in range(1, number + 1)]
    return Scenario(append_log(number, services), events, workers=workers)


def in_python(scenario: Scenario, limit: int = 10_000_000) -> SearchResult:
    """Search and count as if numba were not installed."""
    return search_endings(Model(scenario), limit, Reporter(), few=limit)


def plain() -> list[Figure]:
    """Measure scenarios without faults, protections and monitors."""
    figures = []
    expected = {(4, 3, 4): 39_312, (5, 1, 3): 157_596, (5, 1, 5): 349_184, (6, 1, 2): 361_978}
    for size, states in expected.items():
        scenario = log_scenario(*size)
        found, seconds = timed(partial(in_python, scenario))
        if found.states != states:
            raise SystemExit(f"{size}: {found.states} states, not {states}")
        name = f"plain {size}, {found.states:,} states, endings {len(found.totals):,}"
        figures.append(Figure(name, found.states / seconds, "states/s", 100_000, at_least=True))
        if size == (5, 1, 5):
            figures.append(Figure("(5, 1, 5) found and counted", seconds, "s", 5, at_least=False))
    return figures


def watched() -> Figure:
    """Measure the order chart with faults, protections and every monitor."""
    scenario = Scenario(
        order,
        ["PAY", "CANCEL", "SHIP"],
        queue="standard",
        protections=["cas"],
        faults={"crashes": 1, "expiries": 1},
        monitors="all",
    )
    found, seconds = timed(lambda: explore(scenario))
    name = f"order, faults and all monitors, {found.states:,} states"
    return Figure(name, found.states / seconds, "states/s", 100_000, at_least=True)


def grid() -> Figure:
    """Measure the full grid of the order chart."""
    began = time.process_time()
    found = protection_grid(order, ["PAY", "CANCEL", "SHIP"])
    seconds = time.process_time() - began
    states = sum(cell.exploration.states for row in found.cells for cell in row)
    return Figure(f"grid of 64 cells, {states:,} states", seconds, "s", 15, at_least=False)


def memory() -> Figure:
    """Measure the bytes per state at the peak; 2 million states are to stay below 1 GB."""
    tracemalloc.start()
    model = Model(log_scenario(5, 1, 3))
    graph = search(model, 2_000_000)
    count(graph)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    name = f"peak memory, {len(graph.states):,} states"
    return Figure(name, peak / len(graph.states), "B/state", 500, at_least=False)


def peak_memory() -> int:
    """Return the most memory that this process had so far, in bytes.

    On Linux `resource.getrusage` would count from the process that started this one.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text()) if status.exists() else None
    if found:
        return 1024 * int(found[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def large() -> Figure:
    """Measure a process that searches 2 million states in plain Python, at its peak."""
    code = (
        "from benchmarks.explore import in_python, log_scenario, peak_memory\n"
        "found = in_python(log_scenario(6, 1, 3), limit=2_000_000)\n"
        "print(found.states, peak_memory())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=600
    )
    states, peak = map(int, done.stdout.split())
    if states < 2_000_000:
        raise SystemExit(f"{states} states, and 2 million were to be measured")
    name = f"peak of a process, {states:,} states"
    return Figure(name, peak / 1e6, "MB", 1_000, at_least=False)


def swept() -> tuple[list[Figure], float]:
    """Measure a process that sweeps 5.9 million states; return its CPU seconds too.

    The memory is what the process grows by once the compiled code is loaded.
    """
    load = (
        "from benchmarks.explore import log_scenario, peak_memory\n"
        "from settlesim.sim import explore\n"
        "from settlesim.sim.model import Model\n"
        "from settlesim.sim.sweep import sweep\n"
        "import time\n"
        "sweep(Model(log_scenario(2, 1, 2)), 1_000)\n"
    )
    # Compiling takes more memory than the sweep; its result is kept on the disk.
    subprocess.run([sys.executable, "-c", load], check=True, timeout=600)
    code = load + (
        "before = peak_memory()\n"
        "began = time.process_time()\n"
        "found = explore(log_scenario(6, 1, 4), limit=10_000_000)\n"
        "spent = time.process_time() - began\n"
        "print(found.states, spent, peak_memory() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=900
    )
    number, spent, more = done.stdout.split()
    states, seconds, peak = int(number), float(spent), int(more)
    if states != 5_897_203:
        raise SystemExit(f"{states} states, not 5,897,203")
    name = f"swept (6, 1, 4), {states:,} states"
    print(f"{name} in {seconds:.1f} s; predicted were {predict(log_scenario(6, 1, 4))}")
    return [Figure(f"{name}, memory", peak / states, "B/state", 60, at_least=False)], seconds


def swept_beside_spin(seconds: float) -> Figure:
    """Compare the sweep with Spin's compiler and run, for the same model.

    If Spin is stopped, the time until then is a lower bound of what it takes.
    """
    states, build, run = spin(log_scenario(6, 1, 4))
    if states not in {None, 5_897_203}:
        raise SystemExit(f"Spin stores {states} states, not 5,897,203")
    ended = "" if states else f"; not finished, a step was stopped after {SPIN_LIMIT} s"
    print(f"Spin: {build:.1f} s to compile, {run:.1f} s to run, without counts{ended}")
    name = "swept (6, 1, 4) / Spin's compiler and run" + ("" if states else ", at most")
    return Figure(name, seconds / (build + run), "times", 1, at_least=False)


SPIN_LIMIT = 300
"""CPU seconds after which a step of Spin is stopped: its compiler, and its search."""


def spin(scenario: Scenario) -> tuple[int | None, float, float]:
    """Return the states that Spin stores, and its CPU seconds: to compile, and to search.

    The states are None if a step took too long.
    """
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "model.pml").write_text(to_promela(scenario), encoding="utf-8")
        compiler = ["gcc", "-O2", "-w", "-DNOREDUCE", "-DSAFETY", "-o", "pan", "pan.c"]
        began = _children()
        output = _output_of(["spin", "-a", "model.pml"], name)
        if output is not None:
            output = _output_of(compiler, name)
        built = _children()
        if output is not None:
            output = _output_of([str(Path(name) / "pan"), "-m100000", "-c0"], name)
        ended = _children()
    stored = None if output is None else re.search(r"(\d+) states, stored", output)
    return int(stored[1]) if stored else None, built - began, ended - built


def _output_of(command: list[str], folder: str) -> str | None:
    """Return what a program prints; None if it had to be stopped."""
    began = _children()
    done = subprocess.run(  # the limit also holds for each process that it starts
        command, cwd=folder, capture_output=True, text=True, preexec_fn=_limit_cpu, check=False
    )
    if done.returncode and _children() - began > 0.9 * SPIN_LIMIT:
        return None
    done.check_returncode()
    return done.stdout


def _limit_cpu() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (SPIN_LIMIT, SPIN_LIMIT))


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def has_spin() -> bool:
    """Return whether Spin and a compiler are installed; print a line if they are not."""
    if shutil.which("spin") and shutil.which("gcc"):
        return True
    print("Spin is not installed here, so nothing is compared with it.")
    return False


def beside_spin() -> None:
    """Print the times of plain Python and of Spin for the same models."""
    for size in ((4, 1, 4), (5, 3, 2), (5, 1, 5)):
        scenario = log_scenario(*size)
        found, ours = timed(partial(in_python, scenario))
        states, build, run = spin(scenario)
        if states != found.states:
            raise SystemExit(f"{size}: {found.states} states, and Spin stores {states}")
        print(
            f"{size}, {states:,} states: ours {ours:.2f} s with all counts; "
            f"Spin {run:.2f} s without, after {build:.1f} s to compile"
        )


def main() -> int:
    """Measure everything and print it."""
    figures = [*plain(), watched(), grid(), memory(), large()]
    with_spin = has_spin()
    if with_spin:
        beside_spin()
    why = why_not_swept()
    if why:
        print(f"Nothing is swept: {why}.")
    else:
        more, seconds = swept()
        figures += more
        if with_spin:
            figures.append(swept_beside_spin(seconds))
    for figure in figures:
        print(figure)
    return 0 if all(figure.good for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
