"""Charts that are made by dice with a seed, as ours and as XState's, and what our engine does.

Both have the same states, functions and services. Every leaf that works is left by its service
alone, and every other one is a place to rest, so each event comes to rest.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from settlesim.chart import Chart, Event, NodeKind, Snapshot, Transition
from settlesim.chart.validation import ancestors
from settlesim.settling import Microstep, Settling
from settlesim.settling.settlement import Elapsed

__all__ = [
    "CHARTS",
    "RECORDED",
    "Run",
    "Trace",
    "bound",
    "cases",
    "config_of",
    "difference",
    "digest",
    "in_xstate",
    "record_of",
    "xstate_in_node",
]

EVENTS: Final = ("A", "A.b", "B", "C")
_DESCRIPTORS: Final = ("A", "B", "B", "C", "C", "A.b", "A.*", "*")
CHARTS: Final = 200
"""How many charts the tests compare."""
RECORDED: Final = Path(__file__).with_name("xstate_recorded.json")
"""What XState did with them: of each the number of steps and a digest of where they ended."""
MOST_ANSWERS: Final = 25
"""How many services of one event are answered before a case is given up."""


# --- a chart --------------------------------------------------------------------------------


class _Dice:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.leaves: list[str] = []
        self.names: list[str] = []
        self.parallels: list[list[str]] = []

    def one_in(self, number: int) -> bool:
        return self.random.randrange(number) == 0

    def state(self, path: str, depth: int) -> dict[str, Any]:
        """A state and what is inside it; targets come when all names are known."""
        self.names.append(path)
        local = path.rpartition(".")[2]
        spec: dict[str, Any] = {"name": local, "on_enter": f"+{path}", "on_exit": f"-{path}"}
        kind = self.random.choice(["leaf", "leaf", "compound", "parallel"][: 1 if depth > 2 else 4])
        if kind == "leaf":
            if self.one_in(3):
                return {**spec, "works": True}
            return {**spec, "tags": ["settled"]}
        children = [
            self.state(f"{path}.{letter}", depth + 1)
            for letter in "abc"[: self.random.randint(2, 3)]
        ]
        if kind == "compound" and self.one_in(2):
            self.names.append(f"{path}.end")
            children.append({"name": "end", "final": True, "on_enter": f"+{path}.end"})
        if self.one_in(3):
            history = {"name": "h", "history": self.random.choice(["shallow", "deep"])}
            if kind == "compound" and self.one_in(2):
                history["default"] = self.random.choice(children)["name"]
            children.insert(self.random.randrange(2), history)
            self.names.append(f"{path}.h")
        if kind == "parallel":
            self.parallels.append(
                [f"{path}.{each['name']}" for each in children if "history" not in each]
            )
        return {**spec, "parallel" if kind == "parallel" else "children": children}

    def usual(self, source: str, dest: Any) -> Any:
        """Return a destination, the same if it can be, that leaves whatever is parallel around."""
        regions = {each for parallel in self.parallels for each in parallel}
        around = [
            each.rpartition(".")[0] for each in regions if f"{source}.".startswith(f"{each}.")
        ]
        if not around and dest is not None:
            return dest
        region = next((each for each in ancestors(source) if each in regions), "")
        if region and region != source and self.one_in(2):
            return self.inside(region)
        outside = [each for each in self.names if not each.startswith(min(around or [source]))]
        return self.random.choice(outside or self.names)

    def target(self, source: str = "", *, guarded: bool = False) -> dict[str, Any]:
        extra: dict[str, Any] = {}
        if guarded:  # what goes on by itself ends when n has grown
            extra = {"conditions": "few", "assign": ["count"]}
        elif self.one_in(2):
            extra = self.random.choice(
                [
                    {"conditions": "even"},
                    {"conditions": ["yes", "even"], "assign": ["count"]},
                    {"unless": "even", "assign": ["count", "count"]},
                    {"assign": ["reset"]},
                    {"conditions": "no"},
                ]
            )
        dest: Any = self.random.choice(self.names)
        if self.one_in(8) and not guarded:
            dest = None
        elif self.parallels and self.one_in(6):
            regions = self.random.choice(self.parallels)
            dest = [self.inside(each) for each in self.random.sample(regions, 2)]
        if source and not self.one_in(12):  # mostly where both have the same rules
            dest = self.usual(source, dest)
        spec = {"dest": dest, **extra}
        if dest is not None and self.one_in(2):
            spec["internal"] = True
        return spec

    def inside(self, region: str) -> str:
        found = [each for each in self.names if each == region or each.startswith(f"{region}.")]
        return self.random.choice(found)

    def targets(self, source: str) -> list[dict[str, Any]]:
        """Ways out of a state that works, or whose delay passes: the last has no guard."""
        last = {"dest": self.usual(source, self.random.choice(self.names))}
        if self.one_in(2):
            first = {**self.target(source), "conditions": "even", "internal": False}
            return [first, last] if first["dest"] is not None else [last]
        return [last]

    def finish(self, states: Iterable[dict[str, Any]], prefix: str = "") -> None:
        """Give states their services, delays and transitions."""
        for spec in states:
            path = prefix + spec["name"]
            inside = spec.get("children") or spec.get("parallel") or ()
            plain = "history" not in spec and "final" not in spec
            if spec.pop("works", False) or (inside and self.one_in(12)):
                spec["invoke"] = {
                    "src": "work",
                    "on_done": self.targets(path),
                    "on_error": self.targets(path),
                }
            elif plain and self.one_in(4):
                spec["after"] = {"60": self.targets(path)}
            if inside and self.one_in(2):
                spec["on_done"] = [self.target(path, guarded=True)]
            if plain and self.one_in(6):
                spec["always"] = [self.target(path, guarded=True)]
            self.finish(inside, f"{path}.")


def record_of(seed: int) -> dict[str, Any]:
    """Return the record of a chart; the same seed gives the same one."""
    dice = _Dice(seed)
    roots = [f"s{index}" for index in range(dice.random.randint(2, 3))]
    states = [dice.state(name, 1) for name in roots]
    if dice.one_in(3):
        states.append({"name": "over", "final": True})
        dice.names.append("over")
    dice.finish(states)
    sources = [name for name in dice.names if name.rpartition(".")[2] not in {"h", "end", "over"}]
    transitions = []
    for _ in range(dice.random.randint(4, 14)):
        source = dice.random.choice(sources)
        trigger = dice.random.choice(_DESCRIPTORS)
        target = dice.target(source, guarded=trigger == "*")  # which takes internal events, too
        transitions.append({"trigger": trigger, "source": source, **target})
    # XState asks an exact name first and longer descriptors before shorter ones
    transitions.sort(key=lambda each: ("*" in each["trigger"], -len(each["trigger"])))
    return {
        "name": f"generated {seed}",
        "semantics": "scxml",
        "initial": roots[0],
        "context": {"n": 0, "log": []},
        "states": states,
        "transitions": transitions,
    }


def bound(record: dict[str, Any]) -> Chart:
    """Return the chart of a record with its functions."""
    chart = Chart.from_dict(record)
    known: dict[str, Any] = {
        "yes": lambda context, event: True,
        "no": lambda context, event: False,
        "even": lambda context, event: context["n"] % 2 == 0,
        "few": lambda context, event: context["n"] < 4,
        "count": lambda context, event: {"n": context["n"] + 1},
        "reset": lambda context, event: {"n": 0},
    }

    def note(word: str) -> Any:
        def append(context: Any, event: Event) -> dict[str, Any]:
            result = f" {event.data}" if event.name.startswith("done.invoke.") else ""
            return {"log": [*context["log"], word + result]}

        return append

    return chart.bind(
        {
            name: known.get(name) or note(name)
            for name, role in chart.roles.items()
            if role != "service"
        }
    )


# --- the same for XState ----------------------------------------------------------------------


def config_of(chart: Chart) -> dict[str, Any]:
    """Return the configuration of XState 5; every state's id is its full name."""
    roots = [node.name for node in chart.states if node.parent is None]
    return {
        "id": "root of all",
        "context": {"n": 0, "log": []},
        "initial": chart.initial,
        "states": {name: _state(chart, name) for name in roots},
    }


def _state(chart: Chart, name: str) -> dict[str, Any]:
    node = chart.node(name)
    config: dict[str, Any] = {"id": name}
    if node.history is not None:
        config |= {"type": "history", "history": node.history}
        if node.default:
            config["target"] = f"#{node.default[0]}"
        return config
    config["entry"] = [_note(each) for each in node.on_enter]
    if node.kind is NodeKind.FINAL:
        return {**config, "type": "final"}
    config["exit"] = [_note(each) for each in node.on_exit]
    if node.kind is NodeKind.PARALLEL:
        config["type"] = "parallel"
    elif node.initial is not None:
        config["initial"] = chart.node(node.initial).local_name
    if node.children:
        config["states"] = {
            chart.node(each).local_name: _state(chart, each) for each in node.children
        }
    config["invoke"] = [
        {
            "id": each.id,
            "src": "work",
            "onDone": list(map(_transition, each.on_done)),
            "onError": list(map(_transition, each.on_error)),
        }
        for each in node.invoke
    ]
    config["after"] = {
        f"{each.seconds * 1000:.0f}": list(map(_transition, each.transitions))
        for each in node.after
    }
    config["onDone"] = list(map(_transition, node.on_done))
    on: dict[str, list[Any]] = {}
    for edge in chart.transitions:
        if edge.source == name:
            on.setdefault(edge.trigger, []).append(_transition(edge))
    config["always"] = on.pop("", [])
    config["on"] = on
    return {key: value for key, value in config.items() if value}


def _transition(edge: Transition) -> dict[str, Any]:
    config: dict[str, Any] = {"actions": [{"type": name} for name in edge.assign]}
    if edge.guards:
        params = {"wanted": edge.conditions, "refused": edge.unless}
        config["guard"] = {"type": "all", "params": params}
    if edge.dests:
        config |= {"target": [f"#{each}" for each in edge.dests], "reenter": not edge.internal}
    return config


def _note(name: str) -> dict[str, Any]:
    return {"type": "note", "params": {"word": name}}


# --- our engine -------------------------------------------------------------------------------


@dataclass
class Trace:
    """What a chart did, step by step."""

    script: list[str] = field(default_factory=list)
    """What XState is to do: an event, ``done`` and the result or ``error`` of the service that was
    started first, or ``after`` and the state whose delay passes."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    """Where the start ended, and each step of the script."""
    explained: int | None = None
    """The first step in which XState 5 has other rules than SCXML; None where there is none."""


class Run:
    """Runs a chart by dice, until a few events are settled."""

    def __init__(self, chart: Chart, seed: int) -> None:
        self.trace = Trace()
        self._chart = chart
        self._dice = random.Random(seed)
        self._snapshot: Snapshot | None = None
        self._delays: set[str] = set()

    def run(self) -> Trace:
        """Return what the chart did."""
        self._settle(None)
        while len(self.trace.script) < 40 and self._snapshot is not None:
            if self._snapshot.configuration == ("over",):
                break
            if self._delays and self._dice.randrange(4) == 0:
                node = self._dice.choice(sorted(self._delays))
                self._delays.remove(node)
                self._go(f"after {node}", Elapsed(f"{node}.0"))
            else:
                event = self._dice.choice(EVENTS)
                self._go(event, event)
            if len(self.trace.steps) <= len(self.trace.script):
                break
        return self.trace

    def _go(self, word: str, event: Elapsed | str) -> None:
        self.trace.script.append(word)
        self._settle(event)

    def _settle(self, event: Elapsed | str | None) -> None:
        """Answer the service that was started first until the event is settled."""
        settling = Settling(self._chart, self._snapshot, event)
        for _ in range(MOST_ANSWERS):
            if settling.settlement is not None or not settling.pending:
                break  # else it waits for a delay: no step of the script
            self._note(settling, settling.context, [each.id for each in settling.pending])
            if self._dice.randrange(2):
                result = len(self.trace.script)
                self.trace.script.append(f"done {result}")
                settling.done(settling.pending[0].id, result)
            else:
                self.trace.script.append("error")
                settling.failed(settling.pending[0].id, "no")
        settlement = settling.settlement
        if settlement is None:
            self.trace.script.pop()
            self._snapshot = None
            return
        if settlement.saved:
            self._snapshot = settlement.after
            kept = {each for each in self._delays if f"{each}.0" in settlement.kept}
            self._delays = kept | {each.id.removesuffix(".0") for each in settlement.timers}
        self._note(settling, settlement.after.context, [])
        self.trace.steps[-1]["delays"] = sorted(self._delays)

    def _note(self, settling: Settling, context: Any, services: list[str]) -> None:
        self.trace.steps.append(
            {
                "leaves": list(settling.configuration),
                "context": {"n": context["n"], "log": list(context["log"])},
                "services": services,
            }
        )
        if self.trace.explained is None and _is_explained(self._chart, settling.microsteps):
            self.trace.explained = len(self.trace.steps) - 1


def _is_explained(chart: Chart, microsteps: Iterable[Microstep]) -> bool:
    """Whether XState 5 has another rule for what fired.

    1. It does not look at the transitions of a parallel state where a region takes the event.
    2. A transition from one region to another does not leave the parallel state around both.
    3. A transition to a history state of a state that it does not leave may enter states again
       which it has not left.
    """
    for step in microsteps:
        edges = [chart.edges[index] for index in step.edges]
        sources = [edge.source for edge in edges]
        if step.trigger and any(
            one.startswith(f"{other}.") for one in sources for other in sources
        ):
            return True
        if any(_stays_in_parallel(chart, edge) or _stays_around(chart, edge) for edge in edges):
            return True
    return False


def _stays_in_parallel(chart: Chart, edge: Transition) -> bool:
    """Whether the innermost state around source and destinations is parallel."""
    if edge.dest is None:
        return False
    if edge.internal and all(f"{each}.".startswith(f"{edge.source}.") for each in edge.dests):
        return False
    around = [set(ancestors(each)[1:]) for each in edge.dests]
    above = ancestors(edge.source)[1:]
    common = next((each for each in above if all(each in other for other in around)), None)
    return common is not None and chart.node(common).kind is NodeKind.PARALLEL


def _stays_around(chart: Chart, edge: Transition) -> bool:
    """Whether the transition leads to a history state of a state around its source."""
    nodes = map(chart.node, edge.dests)
    return any(node.history and node.parent in ancestors(edge.source) for node in nodes)


# --- both -------------------------------------------------------------------------------------


def difference(trace: Trace, theirs: list[dict[str, Any]]) -> str:
    """Say where XState differs first, up to what is explained; an empty text where it does not."""
    until = len(trace.steps) if trace.explained is None else trace.explained
    if len(theirs) < until:
        return f"after step {len(theirs) - 1} XState cannot do {trace.script[len(theirs) - 1]!r}"
    for index, (ours, other) in enumerate(zip(trace.steps[:until], theirs, strict=False)):
        same = {key: other[key] for key in ours}
        if ours != same:
            return f"step {index} ({[None, *trace.script][index]}): {ours}, not {same}"
    return ""


def cases(seeds: Iterable[int]) -> list[tuple[dict[str, Any], Trace]]:
    """Return configurations for XState with what our engine does."""
    found = []
    for seed in seeds:
        chart = bound(record_of(seed))
        found.append((config_of(chart), Run(chart, seed).run()))
    return found


def xstate_in_node() -> tuple[str, Path]:
    """Return Node and the folder that has XState; fails in CI where one is not there."""
    node, folder = shutil.which("node"), os.environ.get("SETTLESIM_XSTATE", "")
    if not node or not Path(folder, "node_modules", "xstate").exists():
        if os.environ.get("CI"):
            pytest.fail("CI installs Node and XState; SETTLESIM_XSTATE names its folder")
        pytest.skip("needs node, and xstate in the folder that SETTLESIM_XSTATE names")
    return node, Path(folder)


def in_xstate(node: str, folder: Path, made: Iterable[tuple[dict[str, Any], Trace]]) -> Any:
    """Return where XState is after each step; `folder` has it in its node_modules."""
    given = [{"config": config, "script": trace.script} for config, trace in made]
    done = subprocess.run(
        [node, str(Path(__file__).with_name("xstate_oracle.mjs"))],
        input=json.dumps({"path": str(folder), "cases": given}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout)


def digest(trace: Trace, steps: list[dict[str, Any]]) -> str:
    """Return what tells the steps of one chart, up to what is explained, from all others."""
    until = len(trace.steps) if trace.explained is None else trace.explained
    kept = [{key: each[key] for key in ("leaves", "context", "services")} for each in steps]
    text = json.dumps(kept[:until], sort_keys=True)
    return f"{until} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def main() -> None:
    """Compare many charts, and say what differs; or record what XState does with a few."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path, help="with xstate in its node_modules")
    parser.add_argument("--charts", type=int, default=2000)
    parser.add_argument("--record", action="store_true", help=f"write {RECORDED.name}")
    options = parser.parse_args()
    if options.record:
        made = cases(range(CHARTS))
        found = in_xstate("node", options.folder, made)
        lines = [digest(trace, each) for (_, trace), each in zip(made, found, strict=True)]
        RECORDED.write_text(json.dumps(lines, indent=0) + "\n")
        return
    made = cases(range(options.charts))
    found = in_xstate("node", options.folder, made)
    steps = explained = 0
    for seed, ((_, trace), theirs) in enumerate(zip(made, found, strict=True)):
        steps += len(trace.steps) if trace.explained is None else trace.explained
        explained += trace.explained is not None
        differs = difference(trace, theirs)
        if differs:
            print(f"chart {seed}: {differs}")
    print(f"{options.charts} charts, {steps} steps compared, {explained} cut short by other rules")


if __name__ == "__main__":
    main()
