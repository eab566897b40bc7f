"""Step Functions once more, naively: states with Retry, Catch and branches, step by step.

Written from the specification alone. Nothing here knows charts.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Execution", "matches", "random_machine"]

Record = dict[str, Any]
ERRORS = ("Busy", "Declined", "States.Timeout")


def matches(record: Record, error: str) -> bool:
    """Whether a retrier or a catcher names an error."""
    names = record["ErrorEquals"]
    return (
        error in names
        or "States.ALL" in names
        or ("States.TaskFailed" in names and error != "States.Timeout")
    )


class Execution:
    """One run of a machine, or of a branch."""

    def __init__(self, machine: Record, parent: Execution | None = None) -> None:
        self.machine = machine
        self.parent = parent
        self.result: str | None = None
        """How it ended; None while it runs."""
        self.name = ""
        self.branches: list[Execution] = []
        self.used: Counter[int] = Counter()
        self.waiting: float | None = None

    @property
    def state(self) -> Record:
        """The state that it is in."""
        found: Record = self.machine["States"][self.name]
        return found

    def enter(self, name: str) -> None:
        """Enter a state, with no retry used yet."""
        self.name = name
        self.used.clear()
        self.run()

    def run(self) -> None:
        """Do what the state does, for the first time or again."""
        self.waiting = None
        kind = self.state["Type"]
        if kind == "Succeed":
            self.end(f"done in {self.name}")
        elif kind == "Fail":
            self.give_up(self.state["Error"])
        elif kind == "Parallel":
            self.branches = started = [Execution(each, self) for each in self.state["Branches"]]
            for each in started:
                if self.branches is started:  # else an earlier one has failed at once
                    each.enter(each.machine["StartAt"])

    def goes_on(self) -> None:
        """Leave the state as it says."""
        self.branches = []
        if "Next" in self.state:
            self.enter(self.state["Next"])
        else:
            self.end("done in End")

    def end(self, result: str) -> None:
        """End well."""
        self.result = result
        if self.parent is not None and all(each.result for each in self.parent.branches):
            self.parent.goes_on()

    def fail(self, error: str) -> None:
        """Retry the state, catch its error, or give up."""
        self.branches = []
        for number, each in enumerate(self.state.get("Retry", [])):
            if matches(each, error):
                if self.used[number] < each["MaxAttempts"]:
                    times = each["BackoffRate"] ** self.used[number]
                    self.waiting = min(each["IntervalSeconds"] * times, each["MaxDelaySeconds"])
                    self.used[number] += 1
                    return
                break
        for each in self.state.get("Catch", []):
            if matches(each, error):
                self.enter(each["Next"])
                return
        self.give_up(error)

    def give_up(self, error: str) -> None:
        """End badly; what is around fails with the same error."""
        if self.parent is None:
            self.result = f"failed in {self.name}"
        else:
            self.parent.fail(error)

    def active(self) -> Iterator[Execution]:
        """Yield itself and the branches that run, in the order of the document."""
        if self.result is None:
            yield self
            for each in self.branches:
                yield from each.active()

    def step(self, answer: Callable[[str], str | None]) -> str:
        """Answer the first task that runs, else let the first wait pass; return which."""
        for each in self.active():
            if each.state["Type"] == "Task" and each.waiting is None:
                error, name = answer(each.name), each.name
                each.goes_on() if error is None else each.fail(error)
                return f"{name}: {error}"
        waiting = next(each for each in self.active() if each.waiting is not None)
        words = f"{waiting.waiting:g} s"
        waiting.run()
        return words


def random_machine(rng: random.Random) -> Record:
    """Return a machine in which everything ends, since each state leads only to later ones."""
    return _machine(rng, iter(range(1_000)), depth=0)


def _machine(rng: random.Random, numbers: Iterator[int], depth: int) -> Record:
    names = [f"S{next(numbers)}" for _ in range(rng.randint(1, 3 if depth else 4))]
    states = {}
    for index, name in enumerate(names):
        later = names[index + 1 :]
        kinds = ["Task"] * 3 + ["Fail"] + (["Succeed"] if not later else [])
        kind = rng.choice(kinds + ["Parallel"] * ((3 if index == 0 else 1) if depth < 2 else 0))
        states[name] = _state(rng, kind, later, numbers, depth)
    return {"StartAt": names[0], "States": states}


def _state(
    rng: random.Random, kind: str, later: list[str], numbers: Iterator[int], depth: int
) -> Record:
    if kind == "Succeed":
        return {"Type": kind}
    if kind == "Fail":
        return {"Type": kind, "Error": rng.choice(ERRORS)}
    state: Record = {"Type": kind, **({"Next": rng.choice(later)} if later else {"End": True})}
    if kind == "Task":
        state["Resource"] = "task"
    else:
        state["Branches"] = [_machine(rng, numbers, depth + 1) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.6:
        state["Retry"] = [
            {
                "ErrorEquals": _errors(rng),
                "MaxAttempts": rng.randint(0, 2),
                "IntervalSeconds": rng.randint(1, 3),
                "BackoffRate": rng.choice([1, 2]),
                "MaxDelaySeconds": rng.randint(3, 5),
            }
            for _ in range(rng.randint(1, 2))
        ]
    if later and rng.random() < 0.6:
        state["Catch"] = [
            {"ErrorEquals": _errors(rng), "Next": rng.choice(later)}
            for _ in range(rng.randint(1, 2))
        ]
    return state


def _errors(rng: random.Random) -> list[str]:
    if rng.random() < 0.5:
        return [rng.choice(["States.ALL", "States.TaskFailed"])]
    return rng.sample(ERRORS, rng.randint(1, 2))
