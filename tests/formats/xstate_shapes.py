"""The hand-written XState configurations as XState 5 and our engine run them.

A configuration goes into XState as it is written, one of v4 in the words of v5, and into
`import_chart`. Both have the same functions: what a guard or an assign does depends on its name,
the context and the result of a service.
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from settlesim import Chart, Event, Settling, Snapshot, import_chart
from settlesim.chart import NodeKind
from settlesim.chart.strict_json import encode
from settlesim.chart.validation import ancestors
from settlesim.errors import MicrostepLimitError, ServiceFailedError, StalledError
from settlesim.formats.recognition import FormatName
from settlesim.formats.xstate import xstate_version
from settlesim.settling.settlement import Elapsed
from tests.formats.xstate_cases import Case

__all__ = ["Shape", "difference", "digest", "in_xstate", "shapes_of"]

RUNS: Final = 8
"""How often each configuration is run, with other dice."""
STEPS: Final = 10
"""How many events, answers and delays one run has at most."""

_OLD_WORDS: Final = ("v4: after as a list", "done.invoke written as an event")
"""Cases in the words of v4 that have none of the keys by which the reader knows it."""

Step = dict[str, Any]


@dataclass
class Shape:
    """One run of one configuration."""

    name: str
    config: dict[str, Any]
    script: list[list[Any]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    """Where the start ended, and each step of the script, in our engine."""


def shapes_of(case: Case) -> list[Shape]:
    """Run a configuration a few times in our engine."""
    is_old = xstate_version(case.config) == 4 or case.name in _OLD_WORDS
    config = _noting(case.config)
    format_: FormatName | None = "xstate4" if is_old else None
    leaves = [
        node.name
        for node in import_chart(config, format=format_).chart.states
        if node.kind is NodeKind.ATOMIC and not node.invoke
    ]
    read = import_chart(config, format=format_, settled=leaves).chart
    if is_old:
        config = _in_v5(config)
    found = []
    for seed in range(RUNS):
        context = {"n": seed, "log": []}
        chart = _bound(Chart.from_dict(read.to_dict() | {"context": context}))
        shape = Shape(case.name, config | {"context": context})
        with suppress(MicrostepLimitError):  # where XState goes round for ever, too
            found.append(_Run(chart, shape, seed).run())
    return found


def _noting(config: Mapping[str, Any]) -> dict[str, Any]:
    """Let every state but the root say when it is entered and left."""
    found = dict(config)
    states = found.get("states") or {}
    found["states"] = {key: _noting_itself(key, inner) for key, inner in states.items()}
    return found


def _noting_itself(key: str, config: Mapping[str, Any]) -> dict[str, Any]:
    found = _noting(config)
    if found.get("type") == "history":
        return found
    for word, note in (("entry", f"+{key}"), ("exit", f"-{key}")):
        given = found.get(word, [])
        found[word] = [*(given if isinstance(given, list) else [given]), note]
    if found.get("type") == "final":  # which is left where the whole machine has ended
        del found["exit"]
    return found


def _bound(chart: Chart) -> Chart:
    def guard(name: str) -> Any:
        return lambda context, event: (context["n"] + len(name)) % 3 != 0

    def assign(name: str) -> Any:
        def note(context: Any, event: Event) -> Mapping[str, Any]:
            of_service = event.name.startswith(("done.invoke.", "error.invoke."))
            result = event.data if of_service else None
            more = 1 + (result if isinstance(result, int) else 0)
            return {"n": context["n"] + more, "log": [*context["log"], [name, result]]}

        return note

    made = {"guard": guard, "assign": assign}
    return chart.bind(
        {name: made[role](name) for name, role in chart.roles.items() if role in made}
    )


# --- v4 in the words of v5 ------------------------------------------------------------------


def _in_v5(config: Mapping[str, Any]) -> dict[str, Any]:
    """Say the same as a configuration of v4, as the migration guide of XState does."""
    found = {key: value for key, value in config.items() if key != "predictableActionArguments"}
    if "on" in found:
        on = {_event_in_v5(event): _transition_in_v5(on) for event, on in found["on"].items()}
        if "" in on:
            found["always"] = on.pop("")
        found["on"] = on
    if isinstance(found.get("after"), list):
        found["after"] = {str(each["delay"]): _transition_in_v5(each) for each in found["after"]}
    if "states" in found:
        found["states"] = {name: _in_v5(inner) for name, inner in found["states"].items()}
    return found


def _event_in_v5(event: str) -> str:
    event = event.replace("done.invoke.", "xstate.done.actor.")
    return event.replace("error.platform.", "xstate.error.actor.")


def _transition_in_v5(spec: Any) -> dict[str, Any]:
    given = {"target": spec} if isinstance(spec, str) else dict(spec)
    target, internal = given["target"], given.pop("internal", None)
    given.pop("delay", None)
    given["reenter"] = not (target.startswith(".") if internal is None else internal)
    if "cond" in given:
        given["guard"] = given.pop("cond")
    if "in" in given:
        given["guard"] = {"type": "stateIn", "params": {"state": given.pop("in")}}
    return given


# --- our engine -----------------------------------------------------------------------------


class _Run:
    def __init__(self, chart: Chart, shape: Shape, seed: int) -> None:
        self._chart = chart
        self._shape = shape
        self._dice = random.Random(f"{shape.name} {seed}")
        self._snapshot: Snapshot | None = None
        events = {edge.trigger for edge in chart.transitions if edge.trigger}
        self._events = sorted({each.replace("*", "z") for each in events} | {"UNKNOWN"})
        self._whole = "" if chart.states[0].name in shape.config["states"] else shape.config["id"]
        """The state that stands for the whole machine, which XState's paths do not name."""

    def run(self) -> Shape:
        """Return what the chart did."""
        self._settle(None)
        while self._snapshot is not None and len(self._shape.script) < STEPS:
            delays = [
                delay
                for name in self._chart.active(self._snapshot.configuration)
                for delay in self._chart.node(name).after
            ]
            if delays and self._dice.randrange(2):
                delay = self._dice.choice(delays)
                node = delay.id.rpartition(".")[0]
                self._shape.script.append(["after", self._path(node), round(delay.seconds * 1000)])
                self._settle(Elapsed(delay.id))
            else:
                event = self._dice.choice(self._events)
                sent = "error.network" if event == "error_network" else event  # as it was named
                self._shape.script.append(["send", sent])
                self._settle(event)
        return self._shape

    def _settle(self, event: Elapsed | str | None) -> None:
        before, self._snapshot = self._snapshot, None
        try:
            settling = Settling(self._chart, before, event)
        except StalledError:  # stands in a state that runs a service which has ended
            return
        while settling.settlement is None:
            if not settling.pending or len(self._shape.script) >= STEPS:
                return
            self._note(settling.configuration, settling.context, settling)
            if not self._answer(settling):
                return
        after = settling.settlement.after
        self._note(after.configuration, after.context)
        if self._chart.node(after.configuration[0]).kind is not NodeKind.FINAL:
            self._snapshot = after

    def _answer(self, settling: Settling) -> bool:
        """Answer the service that was started first; False where the event fails."""
        id_ = settling.pending[0].id
        value = self._dice.choice([None, 1, 2, "text", {"of": [1, 2]}])
        works = self._dice.randrange(3) > 0
        error = {"type": "Error", "message": f"no {self._dice.randrange(9)}"}
        self._shape.script.append(["done", value] if works else ["error", error])
        try:
            if works:
                settling.done(id_, value)
            else:
                settling.failed(id_, error["message"])
        except ServiceFailedError:
            self._shape.steps.append({"failed": True})
        except StalledError as stalled:
            self._note(stalled.configuration, settling.context)
        else:
            return True
        return False

    def _note(
        self, leaves: Iterable[str], context: Mapping[str, Any], settling: Settling | None = None
    ) -> None:
        pending = () if settling is None else settling.pending
        services = [each.id.rpartition(".") for each in pending]
        self._shape.steps.append(
            {
                "leaves": [self._path(each) for each in leaves],
                "context": json.loads(encode(context)),
                "services": [f"{self._path(node)}.{index}" for node, _, index in services],
                "failed": False,
            }
        )

    def _path(self, name: str) -> str:
        """Return the keys of a state in XState: what could not be a name here is its label."""
        nodes = [self._chart.node(each) for each in reversed(ancestors(name))]
        return ".".join(node.label or node.local_name for node in nodes if node.name != self._whole)


# --- XState ---------------------------------------------------------------------------------


def in_xstate(node: str, folder: Path, shapes: Iterable[Shape]) -> list[dict[str, Any]]:
    """Return the steps of each in XState, or why it refuses the configuration."""
    cases = [{"config": each.config, "script": each.script} for each in shapes]
    done = subprocess.run(
        [node, str(Path(__file__).with_name("xstate_shapes.mjs"))],
        input=json.dumps({"path": str(folder), "cases": cases}),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def difference(shape: Shape, theirs: dict[str, Any]) -> str:
    """Say where XState differs first; an empty text where it does not."""
    if "refused" in theirs:
        return f"XState refuses it: {theirs['refused']}"
    steps = theirs["steps"]
    for index, ours in enumerate(shape.steps):
        word = ["start", *shape.script][index]
        if index >= len(steps):
            return f"step {index}: XState cannot do {word}"
        same = {key: steps[index][key] for key in ours}
        if ours != same:
            return f"step {index} ({word}): {ours}, not {same}"
    return ""


def digest(runs: list[list[Step]]) -> str:
    """Return the number of steps of a case, and what tells them from all others."""
    kept = [[{"failed": True} if step["failed"] else step for step in steps] for steps in runs]
    text = json.dumps(kept, sort_keys=True)
    return f"{sum(map(len, runs))} {hashlib.sha256(text.encode()).hexdigest()[:16]}"
