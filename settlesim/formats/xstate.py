"""Reads XState configurations, v4 and v5: what `createMachine` takes, as JSON.

Sources: the XState 4 and 5 documentation and the types of their configurations. A machine's
``definition`` (also what ``JSON.stringify(machine)`` gives) and Stately's export are read too.

What is carried over
--------------------
States with nesting, regions, final and history states; `on`, `always` (v4: the event ``""``),
`after` (milliseconds become seconds), `onDone`; guards, also joined by and, or and not;
names of actions as assigns; `invoke` with input, `onDone` and `onError`; `tags`; `context`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Literal

from settlesim.chart.dialect import MAX_SECONDS
from settlesim.chart.event import MAX_NAME_LENGTH
from settlesim.chart.problems import Problems
from settlesim.errors import shorten
from settlesim.formats.boolean_guards import (
    ALWAYS,
    Alternatives,
    all_of,
    any_of,
    named,
    negated,
)
from settlesim.formats.draft import Document, Draft, Invoked, Route
from settlesim.formats.losses import Losses
from settlesim.formats.reader_options import ReaderOptions
from settlesim.formats.xstate_rules import note_other_rules

__all__ = ["read_xstate", "xstate_version"]

Version = Literal[4, 5]

_V4_KEYS: Final = frozenset(
    ("cond", "internal", "activities", "predictableActionArguments", "preserveActionOrder",
     "schema", "tsTypes", "strict", "in", "autoForward", "services")
)  # fmt: skip
_V5_KEYS: Final = frozenset(
    ("guard", "reenter", "input", "output", "params", "systemId", "types", "onSnapshot")
)
_STATE_KEYS: Final = frozenset(
    ("on", "always", "after", "onDone", "invoke", "entry", "exit", "states", "initial", "type",
     "history", "target", "tags", "id", "key", "output", "data", "description", "meta")
)  # fmt: skip
_ROOT_KEYS: Final = frozenset(("context", "version"))
_SAYS_NOTHING: Final = frozenset(
    ("order", "path", "transitions", "delimiter", "predictableActionArguments",
     "preserveActionOrder", "strict", "schema", "schemas", "tsTypes", "types", "$$tsTypes",
     "parentNode", "__xstatenode", "machine", "$schema", "uniqueId", "options", "config")
)  # fmt: skip
_TRANSITION_KEYS: Final = frozenset(
    ("target", "guard", "cond", "actions", "reenter", "internal", "description", "meta", "in",
     "event", "source", "eventType", "delay", "id")
)  # fmt: skip
_INVOKE_KEYS: Final = frozenset(
    ("src", "id", "input", "data", "onDone", "onError", "type", "description", "meta")
)
_DETAILS: Final = frozenset(("onSnapshot", "systemId", "autoForward", "syncSnapshot"))
_BUILT_IN: Final = re.compile(
    r"xstate\.(?!after)|^(raise|sendTo|sendParent|emit|cancel|stop|stopChild|spawnChild|forwardTo"
    r"|escalate|enqueueActions|choose|pure)$"
)
_AFTER: Final = ("xstate.after.", "xstate.after(")
_TIMERS: Final = frozenset(("xstate.raise", "xstate.send", "xstate.cancel"))
_DONE_STATE: Final = ("done.state.", "xstate.done.state.")
_DONE: Final = ("done.invoke.", "xstate.done.actor.")
_ERROR: Final = ("error.platform.", "error.invoke.", "xstate.error.actor.")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3})?")
_MILLISECOND: Final = 0.001


def xstate_version(record: Mapping[str, Any]) -> Version:
    """Say which version a configuration was written for; 5 where it fits both."""
    waiting: list[Any] = [record]
    old = new = False
    while waiting:
        each = waiting.pop()
        if isinstance(each, Mapping):
            old = old or not _V4_KEYS.isdisjoint(each)
            new = new or not _V5_KEYS.isdisjoint(each)
            waiting.extend(item for key, item in each.items() if key not in {"context", "meta"})
        elif isinstance(each, list):
            waiting.extend(each)
    return 4 if old and not new else 5


def read_xstate(
    record: Mapping[str, Any],
    options: ReaderOptions,
    losses: Losses,
    *,
    version: Version | None = None,
) -> Document:
    """Read a configuration.

    Parameters
    ----------
    version : 4 or 5; None to tell by the keys that occur

    Raises
    ------
    DefinitionError
        A target that is no state, a value of the wrong shape.
    """
    return _Reader(record, options, losses, version or xstate_version(record)).read()


class _Reader:
    def __init__(
        self,
        record: Mapping[str, Any],
        options: ReaderOptions,
        losses: Losses,
        version: Version,
    ) -> None:
        self.options = options
        self.losses = losses
        self.version = version
        name = record.get("id") or record.get("key")
        self.name = name if isinstance(name, str) and name.strip() else None
        self.problems = Problems(self.name or "chart")
        self.ids: dict[str, Draft] = {}
        self.record = record
        self.sources: list[tuple[Draft, Mapping[str, Any]]] = []
        self.document = Document(
            Draft(self.name or "machine"), f"XState v{version} JSON", name=self.name
        )

    def read(self) -> Document:
        root = self.document.root
        self._create(root, self.record)
        for draft, inner in self.sources:
            self._connect(draft, inner)
        self.problems.raise_if_any()
        note_other_rules(root, self.losses)
        self._note_starts()
        context = self.record.get("context")
        if context is not None and not isinstance(context, dict):
            self.losses.add("context", "the root")
            context = None
        self.document.context = context
        if self.version == 5 and "transitions" in self.record and "key" in self.record:
            self.document.notes.append(
                "this is the definition of a machine, and XState leaves `always` and the depth of "
                "history states out of it: where there are some, write machine.config"
            )
        if isinstance(self.record.get("version"), str):
            self.losses.add("description", "version of the root")
        return self.document

    def _note_starts(self) -> None:
        """Note which states are entered where the document names no initial state."""
        plain = [
            draft.path
            for draft in self.document.root.every()
            if draft.children and draft.kind == "state" and draft.initial is None
        ]
        if plain:
            self.document.notes.append(
                f"no initial state is named in {', '.join(plain[:5])}: the first one is entered"
            )

    # --- states ---------------------------------------------------------------------------

    def _create(self, draft: Draft, record: Mapping[str, Any]) -> None:
        self.sources.append((draft, record))
        where = draft.path
        id_ = record.get("id")
        if isinstance(id_, str) and id_:
            other = self.ids.setdefault(id_, draft)
            if other is not draft:
                self.problems.add(
                    where, f"has the id {shorten(id_)}, and so has {shorten(other.path)}"
                )
        self._kind(draft, record)
        states = record.get("states")
        if states in (None, []):
            return
        if draft.kind == "final" and states:  # XState never enters them
            self.losses.add("final", f"states of {where}")
            return
        if not isinstance(states, Mapping):
            self.problems.add(where, f"states is {shorten(states, 60)}; an object is needed")
            return
        for key, inner in states.items():
            self.document.count()
            child = draft.add(str(key))
            if inner is None or isinstance(inner, Mapping):
                self._create(child, inner or {})
            else:
                self.problems.add(
                    child.path, f"is {shorten(inner, 60)}; an object is needed for a state"
                )

    def _kind(self, draft: Draft, record: Mapping[str, Any]) -> None:
        kind = record.get("type")
        history = record.get("history")
        if kind == "history" or (history in ("shallow", "deep", True) and "states" not in record):
            draft.kind = "history"
            draft.deep = history == "deep"
        elif kind in ("parallel", "final"):
            draft.kind = kind
        elif kind not in (None, "atomic", "compound"):
            self.problems.add(
                draft.path,
                f"type is {shorten(kind)}; atomic, compound, parallel, final or history is needed",
            )
        elif record.get("parallel") is True:  # v3, which is still in use
            draft.kind = "parallel"

    def _connect(self, draft: Draft, record: Mapping[str, Any]) -> None:
        self._initial(draft, record)
        if draft.kind == "history":
            target = record.get("target")
            if target is not None:
                draft.initial = next(iter(self._targets(target, draft, "target")), None)
            return
        draft.tags = self._texts(record.get("tags"), draft, "tags")
        entry = record.get("entry", record.get("onEntry"))
        exit_ = record.get("exit", record.get("onExit"))
        on = record.get("on")
        if isinstance(on, Mapping) and any(str(event).startswith(_AFTER) for event in on):
            entry, exit_ = _without_timers(entry), _without_timers(exit_)
        draft.entry = self._actions(entry, draft, "entry")
        draft.exit = self._actions(exit_, draft, "exit")
        for activity in _list(record.get("activities")):
            if not (isinstance(activity, Mapping) and activity.get("type") == "xstate.invoke"):
                self.losses.add("service detail", f"activity of {draft.path}")
        self._invokes(draft, record.get("invoke"))
        self._events(draft, record.get("on"))
        draft.always += self._routes(record.get("always"), draft, "always")
        draft.on_done += self._routes(record.get("onDone"), draft, "onDone")
        self._delays(draft, record.get("after"))
        self._notes(draft, record)

    def _notes(self, draft: Draft, record: Mapping[str, Any]) -> None:
        output = record.get("output", record.get("data"))
        if output is not None and (draft.kind == "final" or draft.parent is None):
            self.losses.add("output", draft.path)
        for key in ("description", "meta"):
            if record.get(key):
                self.losses.add("description", f"{key} of {draft.path}")
        known = _STATE_KEYS | _SAYS_NOTHING | (_ROOT_KEYS if draft.parent is None else frozenset())
        for key in record:
            if key not in known | {"parallel", "onEntry", "onExit", "activities"}:
                self.losses.add("key", f"{shorten(key, 40)} of {draft.path}")

    def _initial(self, draft: Draft, record: Mapping[str, Any]) -> None:
        initial = record.get("initial")
        if isinstance(initial, Mapping):
            if initial.get("actions"):
                self.losses.add("initial transition", draft.path)
            initial = initial.get("target")
        if isinstance(initial, Sequence) and not isinstance(initial, str):
            initial = (initial[0] if len(initial) == 1 else initial) or None
        if initial is None or draft.kind in ("parallel", "final", "history"):
            return
        if not isinstance(initial, str):
            self.problems.add(
                f"{draft.path} initial", f"is {shorten(initial)}; the name of a state is needed"
            )
        elif not draft.children:
            if initial:
                self.problems.add(
                    f"{draft.path} initial", f"is {shorten(initial)}, and there are no states"
                )
        else:
            text = initial.removeprefix(".")
            found = self._by_id(text) if text.startswith("#") else _below(draft, text)
            if found is None or not found.is_inside(draft):
                known = [child.key for child in draft.children]
                self.problems.unknown(f"{draft.path} initial", "state", initial, known)
            else:
                draft.initial = found

    # --- targets --------------------------------------------------------------------------

    def _targets(self, value: object, draft: Draft, where: str) -> list[Draft]:
        texts = value if isinstance(value, list) else [value]
        found = []
        for text in texts:
            if text is None or text == "":
                continue
            if not isinstance(text, str):
                self.problems.add(
                    f"{draft.path} {where}", f"target is {shorten(text)}; a name is needed"
                )
                continue
            target = self._target(text, draft)
            if target is None:
                around = draft.parent or draft
                known = [f"#{id_}" for id_ in self.ids] if text.startswith("#") else [
                    child.key for child in around.children
                ]  # fmt: skip
                self.problems.unknown(f"{draft.path} {where}", "target", text, known)
            else:
                found.append(target)
        return found

    def _target(self, text: str, draft: Draft) -> Draft | None:
        if text.startswith("#"):
            return self._by_id(text)
        if text.startswith("."):
            return _below(draft, text[1:])
        around = draft if draft.parent is None else draft.parent
        found = _below(around, text)
        if found is None and draft.parent is not None and text == draft.key:
            return draft
        return found

    def _by_id(self, text: str) -> Draft | None:
        """Return the state with this id, or on this path below one with an id."""
        name = text[1:]
        if name in self.ids:  # also one with dots
            return self.ids[name]
        parts = _split(name)
        for end in range(len(parts), 0, -1):
            start = ".".join(parts[:end])
            found = self.ids.get(start)
            if found is None and start in {self.document.root.key, "(machine)"}:
                found = self.document.root
            for part in parts[end:]:
                found = None if found is None else found.by_key.get(part)
            if found is not None:
                return found
        return None

    # --- transitions ----------------------------------------------------------------------

    def _events(self, draft: Draft, value: object) -> None:
        guarded = False
        last: list[Route] = []
        for event, spec in self._event_pairs(draft, value):
            if event.startswith(_AFTER):  # in a definition, where each has its delay
                self._delays(draft, spec)
                continue
            routes = self._routes(spec, draft, f"on {shorten(event)}", forbids=True)
            if event == "":
                draft.always += routes
            elif self._is_own(event, draft, routes):
                continue
            else:
                for route in routes:
                    route.event = event
                (last if "*" in event else draft.routes).extend(routes)
                all_guarded = all(each.conditions or each.unless for each in routes)
                guarded = guarded or ("*" not in event and bool(routes) and all_guarded)
        last.sort(key=lambda route: -len(route.event))  # XState tries the longest first
        draft.routes += last
        if last and guarded:
            self.losses.add("wildcard order", draft.path)

    def _event_pairs(self, draft: Draft, value: object) -> list[tuple[str, Any]]:
        if isinstance(value, list):  # v4 takes a list of transitions with `event`
            pairs = [
                (str(each["event"]), each)
                for each in value
                if isinstance(each, Mapping) and isinstance(each.get("event"), str)
            ]
            if len(pairs) != len(value):
                self.problems.add(f"{draft.path} on", "every entry of the list needs an `event`")
            return pairs
        if isinstance(value, Mapping):
            return [(str(key), each) for key, each in value.items()]
        if value is not None:
            self.problems.add(f"{draft.path} on", f"is {shorten(value)}; an object is needed")
        return []

    def _is_own(self, event: str, draft: Draft, routes: list[Route]) -> bool:
        """File transitions on the engine's own events, and return whether these are such."""
        for prefixes, kind in ((_DONE, "on_done"), (_ERROR, "on_error")):
            for prefix in prefixes:
                if event.startswith(prefix):
                    id_ = event.removeprefix(prefix)
                    for service in draft.invoke:
                        if id_ in {service.id, service.src, "*"}:
                            getattr(service, kind).extend(routes)
                            return True
        if event.startswith(_DONE_STATE) and draft.children:
            name = event.split("done.state.", 1)[1]
            if self._by_id(f"#{name}") is draft or name == draft.path:
                draft.on_done += routes
                return True
        if event.startswith((*_DONE, *_ERROR, *_DONE_STATE, "xstate.")):
            self.losses.add("reserved event", f"{event} of {draft.path}")
            return True
        return False

    def _routes(
        self, value: object, draft: Draft, where: str, *, forbids: bool = False
    ) -> list[Route]:
        """Read one transition or a list of candidates.

        Parameters
        ----------
        forbids : whether None means a transition that keeps the event from outer states
        """
        if value is None:
            return [Route(reenter=False)] if forbids else []
        specs = value if isinstance(value, list) else [value]
        if forbids and value == []:
            return []
        found = []
        for spec in specs:
            if isinstance(spec, (str, Mapping)):
                each = {"target": spec} if isinstance(spec, str) else spec
                found += self._route(each, draft, where)
            else:
                self.problems.add(
                    f"{draft.path} {where}", f"is {shorten(spec, 60)}; a target or an object"
                )
        return found

    def _route(self, spec: Mapping[str, Any], draft: Draft, where: str) -> list[Route]:
        self.document.count_route()
        place = f"{draft.path} {where}"
        targets = self._targets(spec.get("target"), draft, where)
        actions = tuple(self._actions(spec.get("actions"), draft, where))
        for key in spec:
            if key not in _TRANSITION_KEYS and key not in _SAYS_NOTHING:
                self.losses.add("key", f"{shorten(key, 40)} of {place}")
        for key in ("description", "meta"):
            if spec.get(key):
                self.losses.add("description", f"{key} of {place}")
        guards = [self._guard(spec.get(key), place) for key in ("guard", "cond")]
        if spec.get("in") is not None:
            guards.append(self._in_state(spec["in"], place))
        return [
            Route(
                targets=targets,
                reenter=self._reenters(spec, draft, targets),
                conditions=conditions,
                unless=unless,
                actions=actions,
            )
            for conditions, unless in all_of(guards)
        ]

    def _reenters(self, spec: Mapping[str, Any], draft: Draft, targets: list[Draft]) -> bool:
        if not targets:
            return False
        if draft.parent is None:  # the root is never left
            return False
        if self.version == 5:
            return spec.get("reenter") is True
        internal = spec.get("internal")
        if isinstance(internal, bool):
            return not internal
        texts = spec.get("target")
        texts = texts if isinstance(texts, list) else [texts]
        return not any(isinstance(text, str) and text.startswith(".") for text in texts)

    # --- guards and actions ---------------------------------------------------------------

    def _guard(self, value: object, place: str) -> Alternatives:
        if value is None:
            return ALWAYS
        if isinstance(value, str) and value.strip():
            return named(value)
        if isinstance(value, Mapping):
            kind = value.get("type", value.get("name"))
            if kind == "xstate.guard":  # in v4, the type of every guard with a name
                kind = value.get("name")
            if isinstance(kind, str) and kind.strip():
                return self._guard_object(kind.removeprefix("xstate."), value, place)
        self.losses.add("guard", place)
        return named(f"guard of {place}"[:MAX_NAME_LENGTH])

    def _guard_object(self, kind: str, value: Mapping[str, Any], place: str) -> Alternatives:
        """Read a guard with a type: one of those that join others, or a name with parameters."""
        params = value.get("params")
        within = params if isinstance(params, Mapping) else {}
        inner = _first(value.get("guards"), value.get("children"), within.get("guards"))
        single = _first(value.get("guard"), within.get("guard"))
        if inner is None and single is not None:
            inner = [single]
        if kind in {"and", "or", "not"} and isinstance(inner, list) and inner:
            guards = [self._guard(each, place) for each in inner]
            joined = any_of(guards) if kind == "or" else all_of(guards)
            return negated(joined) if kind == "not" else joined
        if kind == "stateIn":
            state = _first(within.get("state"), within.get("stateValue"), value.get("state"))
            return self._in_state(state, place)
        if params or set(value) - {"type", "name", "params", "predicate", "kind"}:
            self.losses.add("guard parameters", f"{kind} of {place}")
        return named(kind)

    def _in_state(self, value: object, place: str) -> Alternatives:
        target = None
        if isinstance(value, str):
            root = self.document.root
            target = self._by_id(value) if value.startswith("#") else _below(root, value)
        if target is not None and target.kind != "history":
            if target.parent is None:  # the machine is always in itself
                return ALWAYS
            return named(self.document.asks_for(target))
        self.losses.add("guard", f"in {shorten(value, 40)} of {place}")
        return named(f"in {value if isinstance(value, str) else place}"[:MAX_NAME_LENGTH])

    def _actions(self, value: object, draft: Draft, where: str) -> list[str]:
        place = f"{draft.path} {where}"
        found = []
        for spec in _list(value):
            name = spec.get("type") if isinstance(spec, Mapping) else spec
            if not isinstance(name, str) or not name.strip() or _BUILT_IN.search(name):
                shown = name if isinstance(name, str) and name.strip() else shorten(spec, 40)
                self.losses.add("built-in action", f"{shown} of {place}")
                continue
            if isinstance(spec, Mapping) and (
                spec.get("params") or set(spec) - {"type", "params", "exec"}
            ):
                self.losses.add("action parameters", f"{name} of {place}")
            found.append(name)
        return found

    def _texts(self, value: object, draft: Draft, key: str) -> list[str]:
        if value is None:
            return []
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
            self.problems.add(draft.path, f"{key} is {shorten(value)}; a list of names is needed")
            return []
        return list(dict.fromkeys(each for each in texts if each.strip()))

    # --- services and delays --------------------------------------------------------------

    def _invokes(self, draft: Draft, value: object) -> None:
        for spec in _list(value):
            if isinstance(spec, (str, Mapping)):
                each = {"src": spec} if isinstance(spec, str) else spec
                draft.invoke.append(self._service(draft, each))
            else:
                self.problems.add(
                    f"{draft.path} invoke", f"is {shorten(spec, 60)}; an object is needed"
                )

    def _service(self, draft: Draft, spec: Mapping[str, Any]) -> Invoked:
        place = f"{draft.path} invoke"
        id_ = spec.get("id")
        src: Any = spec.get("src")
        if isinstance(src, Mapping) and isinstance(src.get("type"), str):
            if set(src) - {"type"}:
                self.losses.add("service detail", f"src of {place}")
            src = src["type"]
        if not isinstance(src, str) or not src.strip():
            self.losses.add("inline service", place)
            src = (
                id_
                if isinstance(id_, str) and id_.strip()
                else f"service of {draft.path}"[:MAX_NAME_LENGTH]
            )
        service = Invoked(src, id_ if isinstance(id_, str) else "")
        service.input = self._input(service, spec, place)
        service.on_done = self._routes(spec.get("onDone"), draft, "invoke onDone")
        service.on_error = self._routes(spec.get("onError"), draft, "invoke onError")
        for key in spec:
            if key in _DETAILS:
                self.losses.add("service detail", f"{key} of {place}")
            elif key not in _INVOKE_KEYS:
                self.losses.add("key", f"{shorten(key, 40)} of {place}")
        if spec.get("description") or spec.get("meta"):
            self.losses.add("description", place)
        return service

    def _input(self, service: Invoked, spec: Mapping[str, Any], place: str) -> Any:
        for key in (service.id, service.src):
            if key in self.options.inputs:
                return self.options.inputs[key]
        value = spec.get("input", spec.get("data"))
        if isinstance(value, str) and re.search(r"=>|\bfunction\b", value):
            self.losses.add("input", place)
            return None
        return value

    def _delays(self, draft: Draft, value: object) -> None:
        if value is None or value == []:
            return
        if isinstance(value, list):
            pairs = [(each.get("delay"), each) for each in value if isinstance(each, Mapping)]
        elif isinstance(value, Mapping):
            pairs = list(value.items())
        else:
            self.problems.add(f"{draft.path} after", f"is {shorten(value)}; an object is needed")
            return
        for delay, spec in pairs:
            where = f"after {delay if isinstance(delay, str) else shorten(delay)}"
            routes = self._routes(spec, draft, where)
            draft.after.append((self._seconds(delay, draft, routes), routes))

    def _seconds(self, delay: object, draft: Draft, routes: list[Route]) -> float:
        if isinstance(delay, (int, float, str)) and not isinstance(delay, bool):
            if not _NUMBER.fullmatch(str(delay).strip()):
                return self._named_delay(str(delay), draft, routes)
            seconds = float(Decimal(str(delay).strip()) / 1000)
            if 0 <= seconds <= MAX_SECONDS:
                return seconds or _MILLISECOND
        self.problems.add(
            f"{draft.path} after",
            f"{shorten(delay)} is no number of milliseconds in [0, {MAX_SECONDS * 1000:g}]",
        )
        return _MILLISECOND

    def _named_delay(self, name: str, draft: Draft, routes: list[Route]) -> float:
        for route in routes:
            route.label = f"after {name}"[:MAX_NAME_LENGTH] if name.isprintable() else None
        if name in self.options.delays:
            return float(self.options.delays[name])
        self.losses.add("named delay", f"{name} of {draft.path}")
        return 1.0


def _split(path: str) -> list[str]:
    r"""Split a path at its dots; a backslash makes the next character part of a key."""
    parts = [""]
    signs = iter(path)
    for sign in signs:
        if sign == ".":
            parts.append("")
        else:
            parts[-1] += next(signs, "") if sign == "\\" else sign
    return parts


def _below(draft: Draft, path: str) -> Draft | None:
    """Return the state on a path of keys below this one."""
    direct = draft.by_key.get(path)  # a key may have dots
    if direct is not None:
        return direct
    here: Draft | None = draft
    for part in _split(path):
        here = None if here is None else here.by_key.get(part)
    return here


def _list(value: Any) -> list[Any]:
    """Return a list; a lone value becomes a list of one, None an empty one."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _without_timers(actions: object) -> object:
    """Leave out the actions with which a definition starts and cancels its delays."""
    return [
        each
        for each in _list(actions)
        if not (isinstance(each, Mapping) and each.get("type") in _TIMERS)
    ]


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
