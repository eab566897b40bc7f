"""Reads state machines of AWS Step Functions (Amazon States Language), as JSON or YAML.

Source: the Amazon States Language specification (states-language.net), with JSONata.

What is carried over
--------------------
Every state with its type, Next, End, Default and Catch. A Task runs a service, a Wait is a delay, a
Pass is an eventless transition, the branches of a Parallel are regions. A Choice asks guards that
are named like its conditions, a Catch guards ``Error(type)``, which need no function. An error that
a state in a branch does not catch goes to the Retry and the Catch of the Parallel. What Step
Functions does with data between the states (paths, templates, Assign) is reported as left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from settlesim.chart.dialect import MAX_SECONDS
from settlesim.chart.event import MAX_NAME_LENGTH
from settlesim.chart.problems import Problems
from settlesim.errors import shorten
from settlesim.formats.asl_errors import (
    BRANCH_FAILED,
    Asked,
    ErrorNames,
    FailureRules,
    Retrier,
    error_of_service,
    known_error,
    read_error,
    routes_of_failure,
    task_retry,
)
from settlesim.formats.boolean_guards import Alternatives, all_of, any_of, named, negated
from settlesim.formats.draft import Document, Draft, DraftKind, Invoked, Route
from settlesim.formats.losses import Losses
from settlesim.formats.reader_options import ReaderOptions

__all__ = ["read_asl"]

_TYPES: Final = ("Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map")
_DATA: Final = (
    *("InputPath", "OutputPath", "ResultPath", "ResultSelector", "Assign", "Output", "Result"),
    *("ItemsPath", "ItemSelector", "Error", "Cause", "ErrorPath", "CausePath"),
)
_ASKED: Final = ("Error", "ErrorPath")
"""The keys of a Fail in a branch that a Catch around the branch looks at."""
_DETAILS: Final = ("HeartbeatSeconds", "HeartbeatSecondsPath", "TimeoutSecondsPath", "Credentials")
_SIGNS: Final = {
    "Equals": "==",
    "LessThan": "<",
    "LessThanEquals": "<=",
    "GreaterThan": ">",
    "GreaterThanEquals": ">=",
    "Matches": "matches",
}
_COMPARISON: Final = re.compile(r"(String|Numeric|Boolean|Timestamp)([A-Z]\w*?)(Path)?")
_LAMBDA: Final = re.compile(r"arn:[\w-]+:lambda:[^:]*:[^:]*:function:(.+)")
_SERVICE: Final = re.compile(r"arn:[\w-]+:states:[^:]*:[^:]*:(?:aws-sdk:)?(.+)")
_RETRY: Final = (
    ("MaxAttempts", "attempts", 0, 999),
    ("IntervalSeconds", "seconds", 0, MAX_SECONDS),
    ("BackoffRate", "factor", 1, 1_000),
    ("MaxDelaySeconds", "max_seconds", 1, MAX_SECONDS),
)
"""The keys of a retrier, their names in a chart, and their least and greatest values."""
_NO_CHOICE: Final = "States.NoChoiceMatched"
_MOST_WAITS: Final = 20
"""How often one retrier runs a Parallel again at most, since each repetition is a state."""


def read_asl(record: Mapping[str, Any], options: ReaderOptions, losses: Losses) -> Document:
    """Read a state machine.

    Raises
    ------
    DefinitionError
        A name that no state has, a value of the wrong shape.
    """
    return _Reader(record, options, losses).read()


_State = Mapping[str, Any]
_Drafts = dict[str, Draft]


class _Reader:
    def __init__(self, record: Mapping[str, Any], options: ReaderOptions, losses: Losses) -> None:
        self.record = record
        self.options = options
        self.losses = losses
        self.problems = Problems("state machine")
        self.document = Document(Draft("machine"), "Amazon States Language")
        self.ends: dict[Draft, Draft] = {}
        """The final states that were added, by the state around them."""
        self.failed: Draft | None = None
        """The final state for a machine that fails in a branch; added where it is needed."""
        self.handlers: dict[Draft, FailureRules] = {}
        """What the Parallel states do about failures."""

    def read(self) -> Document:
        root = self.document.root
        if isinstance(self.record.get("Comment"), str):
            self.losses.add("description", "Comment of the state machine")
        if "TimeoutSeconds" in self.record:
            self.losses.add("time-out", "the state machine")
        self._machine(root, self.record, "the state machine")
        self.problems.raise_if_any()
        if any("reject" in draft.tags for draft in root.every()):
            self.document.settings["on_reject"] = "persist"
            self.document.notes.append("a state of type Fail is rejected and final, and is saved")
        return self.document

    # --- states ---------------------------------------------------------------------------

    def _machine(self, around: Draft, record: Mapping[str, Any], where: str) -> None:
        """Read an object with StartAt and States: the whole machine, or a branch."""
        states = record.get("States")
        if not isinstance(states, Mapping) or not states:
            self.problems.add(where, f"States is {shorten(states, 60)}; an object of states")
            return
        drafts: _Drafts = {}
        for name in states:
            self.document.count()
            drafts[str(name)] = around.add(str(name))
        start = record.get("StartAt")
        if isinstance(start, str) and start in drafts:
            around.initial = drafts[start]
        else:
            self.problems.unknown(f"{where} StartAt", "state", start, drafts)
        for name, state in states.items():
            draft = drafts[str(name)]
            if isinstance(state, Mapping):
                self._state(draft, state, drafts)
            else:
                self.problems.add(draft.path, f"is {shorten(state, 60)}; an object is needed")

    def _state(self, draft: Draft, state: _State, drafts: _Drafts) -> None:
        kind = state.get("Type")
        if kind not in _TYPES:
            self.problems.unknown(f"{draft.path} Type", "type", kind, _TYPES)
            return
        if state.get("Comment"):
            self.losses.add("description", f"Comment of {draft.path}")
        in_branch = kind == "Fail" and not self._is_outside_branches(draft)
        for key in _DATA:
            if state.get(key) is not None and not (in_branch and key in _ASKED):
                self.losses.add("data path", f"{key} of {draft.path}")
        if kind == "Succeed":
            draft.kind = "final"
        elif kind == "Fail":
            self._fail(draft, state)
        else:
            readers = {
                "Choice": self._choice,
                "Wait": self._wait,
                "Pass": self._pass,
                "Parallel": self._parallel,
            }
            readers.get(kind, self._task)(draft, state, drafts)

    def _fail(self, draft: Draft, state: _State) -> None:
        """Read a state of type Fail: it ends the machine, or fails the Parallel state around it."""
        if self._is_outside_branches(draft):
            draft.kind = "final"
            draft.tags.append("reject")
            return
        path = state.get("ErrorPath")
        error = state.get("Error")
        if path is None and isinstance(error, str) and error.startswith("{%"):
            path = error.strip("{}% ")
        asked = known_error(error) if path is None else read_error(str(path), _called)
        draft.always = [*self._failure(draft, asked), Route(targets=[self._failed_end()])]

    def _is_outside_branches(self, draft: Draft) -> bool:
        return draft.parent is self.document.root

    def _failed_end(self) -> Draft:
        """Return the end of a machine in which a branch has failed, and nothing caught it."""
        if self.failed is None:
            self.failed = self._added(self.document.root, "Failed", "final")
            self.failed.tags.append("reject")
        return self.failed

    def _added(self, around: Draft, key: str, kind: DraftKind = "state") -> Draft:
        """Return a new state with a key that none of its siblings has."""
        while key in around.by_key:
            key += "_"
        self.document.count()
        return around.add(key, kind)

    def _wait(self, draft: Draft, state: _State, drafts: _Drafts) -> None:
        draft.after = [(self._seconds(draft, state), self._next(draft, state, drafts))]

    def _pass(self, draft: Draft, state: _State, drafts: _Drafts) -> None:
        draft.always = self._next(draft, state, drafts)
        if state.get("Parameters") is not None:
            self.losses.add("data path", f"Parameters of {draft.path}")

    def _next(self, draft: Draft, state: _State, drafts: _Drafts) -> list[Route]:
        """Return the transition to the next state, or to the end of the state around."""
        if state.get("End") is True:
            return [Route(targets=[self._end(draft)])]
        if state.get("Next") is None:
            self.problems.add(draft.path, 'has neither Next nor "End": true')
            return []
        target = self._named(draft, state["Next"], drafts, "Next")
        return [] if target is None else [Route(targets=[target])]

    def _named(self, draft: Draft, name: object, drafts: _Drafts, key: str) -> Draft | None:
        target = drafts.get(name) if isinstance(name, str) else None
        if target is None:
            self.problems.unknown(f"{draft.path} {key}", "state", name, drafts)
        return target

    def _end(self, draft: Draft) -> Draft:
        """Return the final state beside this one; Step Functions has no such state."""
        around = draft.parent or self.document.root
        if around not in self.ends:
            self.ends[around] = self._added(around, "End", "final")
        return self.ends[around]

    # --- Parallel states ------------------------------------------------------------------

    def _parallel(self, draft: Draft, state: _State, drafts: _Drafts) -> None:
        branches = state.get("Branches")
        if not isinstance(branches, list) or not branches:
            self.problems.add(f"{draft.path} Branches", f"is {shorten(branches, 60)}; a list")
            return
        around = self._retried(draft, state)
        around.kind = "parallel"
        around.on_done = self._next(draft, state, drafts)
        handler = self.handlers[draft]
        handler.catchers = self._catchers(draft, state, drafts)
        if any(BRANCH_FAILED in each.names for each in handler.named()):
            self.losses.add("branch error", f"Retry or Catch of {draft.path}")
        for number, branch in enumerate(branches, 1):
            self.document.count()
            region = around.add(f"Branch {number}")
            if isinstance(branch, Mapping):
                self._machine(region, branch, region.path)
            else:
                self.problems.add(region.path, f"is {shorten(branch, 60)}; an object is needed")
        if state.get("Parameters") is not None or state.get("Arguments") is not None:
            self.losses.add("data path", f"Parameters of {draft.path}")

    def _retried(self, draft: Draft, state: _State) -> Draft:
        """Return the state that the branches are put into.

        If there is a Retry, the waits between the runs are siblings of that state, and a region
        for each retrier counts how often it was used.
        """
        handler = self.handlers[draft] = FailureRules()
        policies = self._policies(draft, state.get("Retry"))
        if not policies:
            return draft
        draft.kind = "parallel"
        runs = self._added(draft, "Runs")
        branches = runs.initial = self._added(runs, "Branches")
        for names, policy in policies:
            waits = []
            for seconds in self._seconds_between(draft, policy):
                wait = self._added(runs, f"Wait {len(runs.children)}")
                wait.after = [(seconds or 0.001, [Route(targets=[branches])])]
                waits.append(wait)
            handler.retriers.append(Retrier(names, self._counted(draft, waits), waits))
        return branches

    def _counted(self, draft: Draft, waits: list[Draft]) -> list[Draft]:
        """Return the states of a new region that counts how many of the waits have begun."""
        region = self._added(draft, "Retries")
        counts = [self._added(region, str(number)) for number in range(len(waits) + 1)]
        region.initial = counts[0]
        counts[-1].kind = "final"  # nothing is counted any more
        for before, after, wait in zip(counts, counts[1:], waits, strict=False):
            waiting = (self.document.asks_for(wait),)
            before.always = [Route(targets=[after], conditions=waiting)]
        return counts

    def _seconds_between(self, draft: Draft, policy: Mapping[str, Any]) -> list[float]:
        """Return the waits between the runs of a Parallel state."""
        if "jitter" in policy:
            self.losses.add("jitter", f"Retry of {draft.path}")
        if policy["attempts"] - 1 > _MOST_WAITS:
            self.losses.add("many retries", f"Retry of {draft.path}")
        longest = policy.get("max_seconds", MAX_SECONDS)
        waits = (
            min(policy["seconds"] * policy["factor"] ** number, longest)
            for number in range(policy["attempts"] - 1)
        )
        return list(islice(waits, _MOST_WAITS))

    def _handlers(self, draft: Draft) -> Iterator[FailureRules]:
        """Yield what the Parallel states around a state do about failures, innermost first."""
        return (self.handlers[around] for around in draft.above() if around in self.handlers)

    def _failure(self, draft: Draft, asked: Asked, own: FailureRules | None = None) -> list[Route]:
        """Return the transitions for an error of a state, in order."""
        handlers = [*([] if own is None else [own]), *self._handlers(draft)]
        return list(routes_of_failure(handlers, asked, self.document.asks_for))

    # --- tasks ----------------------------------------------------------------------------

    def _task(self, draft: Draft, state: _State, drafts: _Drafts) -> None:
        if state["Type"] == "Map":
            self.losses.add("map", draft.path)
            service = Invoked(draft.key[:MAX_NAME_LENGTH])
        else:
            service = Invoked(self._service_name(draft, state))
            service.input = self._input(draft, service.src, state)
        service.timeout = self._timeout(draft, state)
        service.on_done = self._next(draft, state, drafts)
        own = FailureRules(catchers=self._catchers(draft, state, drafts))
        service.on_error = self._failure(draft, error_of_service, own)
        service.retry = task_retry(self._policies(draft, state.get("Retry")))
        for key in _DETAILS:
            if key in state:
                self.losses.add("service detail", f"{key} of {draft.path}")
        draft.invoke = [service]

    def _service_name(self, draft: Draft, state: Mapping[str, Any]) -> str:
        resource = state.get("Resource")
        if not isinstance(resource, str) or not resource.strip():
            self.problems.add(f"{draft.path} Resource", f"is {shorten(resource)}; a text is needed")
            return "unknown"
        given = state.get("Parameters", state.get("Arguments"))
        function = given.get("FunctionName") if isinstance(given, Mapping) else None
        if resource.partition(".")[0].endswith(":lambda:invoke") and isinstance(function, str):
            resource = function
        found = _LAMBDA.fullmatch(resource) or _SERVICE.fullmatch(resource)
        return (found[1] if found else resource)[:MAX_NAME_LENGTH]

    def _input(self, draft: Draft, src: str, state: Mapping[str, Any]) -> Any:
        for key in (src, draft.key):
            if key in self.options.inputs:
                return self.options.inputs[key]
        given = state.get("Parameters", state.get("Arguments"))
        if given is None or not _is_computed(given):
            return given
        self.losses.add("input", f"{src} of {draft.path}")
        return None

    def _timeout(self, draft: Draft, state: Mapping[str, Any]) -> float | None:
        value = state.get("TimeoutSeconds")
        if value is None:
            return None
        if isinstance(value, (int, float)) and 0 < value <= MAX_SECONDS:
            return float(value)
        self.losses.add("service detail", f"TimeoutSeconds of {draft.path}")
        return None

    def _catchers(
        self, draft: Draft, state: _State, drafts: _Drafts
    ) -> list[tuple[ErrorNames, Draft]]:
        found = []
        for catcher in self._objects(draft, state.get("Catch"), "Catch"):
            target = self._named(draft, catcher.get("Next"), drafts, "Catch Next")
            for key in ("ResultPath", "Assign", "Output"):
                if key in catcher:
                    self.losses.add("data path", f"Catch {key} of {draft.path}")
            names = self._errors(draft, catcher)
            if target is not None:
                found.append((names, target))
        return found

    def _policies(self, draft: Draft, value: object) -> list[tuple[ErrorNames, dict[str, Any]]]:
        return [
            (self._errors(draft, each), self._policy(draft, each))
            for each in self._objects(draft, value, "Retry")
        ]

    def _policy(self, draft: Draft, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a retrier with the keys of a chart, whose attempts include the first call."""
        found: dict[str, Any] = {"seconds": 1, "factor": 2}
        for key, ours, low, high in _RETRY:
            value = record.get(key)
            number = value if isinstance(value, (int, float)) else None
            if number is not None and number is not True and low <= number <= high:
                found[ours] = number
            elif value is not None:
                self.problems.add(
                    f"{draft.path} Retry {key}",
                    f"is {shorten(value)}; a number in [{low}, {high:g}] is needed",
                )
        found["attempts"] = int(found.get("attempts", 3)) + 1
        if record.get("JitterStrategy") == "FULL":
            found["jitter"] = 1
        return found

    def _objects(self, draft: Draft, value: object, key: str) -> list[Mapping[str, Any]]:
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
            self.problems.add(f"{draft.path} {key}", f"is {shorten(value, 60)}; a list of objects")
            return []
        return value

    def _errors(self, draft: Draft, record: Mapping[str, Any]) -> ErrorNames:
        names = record.get("ErrorEquals")
        if isinstance(names, list) and names and all(isinstance(each, str) for each in names):
            return ErrorNames(tuple(dict.fromkeys(names)))
        self.problems.add(f"{draft.path} ErrorEquals", f"is {shorten(names)}; a list of names")
        return ErrorNames(())

    # --- delays and choices ---------------------------------------------------------------

    def _seconds(self, draft: Draft, state: Mapping[str, Any]) -> float:
        value = state.get("Seconds")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if 0 <= value <= MAX_SECONDS:
                return float(value) or 0.001
            self.problems.add(
                f"{draft.path} Seconds", f"is {shorten(value)}; a number in [0, {MAX_SECONDS:g}]"
            )
        elif draft.key in self.options.delays:
            return float(self.options.delays[draft.key])
        else:
            self.losses.add("named delay", draft.path)
        return 1.0

    def _choice(self, draft: Draft, state: _State, drafts: _Drafts) -> None:
        if not state.get("Choices"):
            self.problems.add(draft.path, "has no Choices; a list of conditions is needed")
        for rule in self._objects(draft, state.get("Choices"), "Choices"):
            target = self._named(draft, rule.get("Next"), drafts, "Choices Next")
            if target is None:
                continue
            for conditions, unless in self._rule(draft, rule):
                draft.always.append(Route(targets=[target], conditions=conditions, unless=unless))
        if "Default" in state:
            target = self._named(draft, state["Default"], drafts, "Default")
            draft.always += [] if target is None else [Route(targets=[target])]
        else:
            draft.always += self._failure(draft, known_error(_NO_CHOICE))

    def _rule(self, draft: Draft, rule: Mapping[str, Any]) -> Alternatives:
        for key, join in (("And", all_of), ("Or", any_of)):
            if key in rule:
                return join([self._rule(draft, each) for each in
                             self._objects(draft, rule[key], key)])  # fmt: skip
        if "Not" in rule and isinstance(rule["Not"], Mapping):
            return negated(self._rule(draft, rule["Not"]))
        if isinstance(rule.get("Condition"), str):
            return named(rule["Condition"].strip("{}% ")[:MAX_NAME_LENGTH] or "condition")
        variable = rule.get("Variable")
        for key, value in rule.items():
            if key.startswith("Is") and isinstance(value, bool):
                asked = named(f"{variable} is {key[2:].lower()}"[:MAX_NAME_LENGTH])
                return asked if value else negated(asked)
            found = _COMPARISON.fullmatch(key)
            if found is not None and found[2] in _SIGNS:
                shown = value if found[3] else json.dumps(value, ensure_ascii=False)
                return named(f"{variable} {_SIGNS[found[2]]} {shown}"[:MAX_NAME_LENGTH])
        self.problems.add(f"{draft.path} Choices", f"{shorten(dict(rule), 60)} is no condition")
        return named("unknown")


def _called(text: str) -> str:
    """Return the name of a guard whose condition reads like this."""
    return text[:MAX_NAME_LENGTH]


def _is_computed(value: Any) -> bool:
    """Whether a template has a path, an intrinsic function or a JSONata expression."""
    if isinstance(value, Mapping):
        return any(str(key).endswith(".$") or _is_computed(each) for key, each in value.items())
    if isinstance(value, list):
        return any(map(_is_computed, value))
    return isinstance(value, str) and value.startswith("{%")
