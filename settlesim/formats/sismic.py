"""Reads the structure of sismic's YAML statecharts; their Python code is never run.

Source: sismic 1.6, "Defining statecharts". States with their kinds, memory and initial states,
transitions with events and targets are carried over; ``after(10)`` in a guard is a delay,
``active('s')`` asks for a state. Other guards are named like their code; actions, contracts and
priorities are reported as left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from settlesim.chart.dialect import MAX_SECONDS
from settlesim.chart.event import MAX_NAME_LENGTH
from settlesim.chart.problems import Problems
from settlesim.errors import shorten
from settlesim.formats.draft import Document, Draft, Route
from settlesim.formats.losses import Losses
from settlesim.formats.reader_options import ReaderOptions

__all__ = ["read_sismic"]

_AFTER: Final = re.compile(r"after\(\s*([0-9]+(?:\.[0-9]+)?)\s*\)")
_ACTIVE: Final = re.compile(r"""active\(\s*['"](.+?)['"]\s*\)""")
_KINDS: Final = {"shallow history": False, "deep history": True}
_STATE_KEYS: Final = frozenset(
    ("name", "type", "initial", "memory", "states", "parallel states", "transitions", "on entry",
     "on exit", "contract")
)  # fmt: skip
_TRANSITION_KEYS: Final = frozenset(("target", "event", "guard", "action", "contract", "priority"))


def read_sismic(record: Mapping[str, Any], options: ReaderOptions, losses: Losses) -> Document:
    """Read a statechart.

    Raises
    ------
    DefinitionError
        A name that no state has, a value of the wrong shape.
    """
    return _Reader(record["statechart"], losses).read()


class _Reader:
    def __init__(self, record: Mapping[str, Any], losses: Losses) -> None:
        self.record = record
        self.losses = losses
        name = record.get("name")
        self.document = Document(
            Draft("root"), "sismic YAML", name=name if isinstance(name, str) else None
        )
        self.problems = Problems(self.document.name or "chart")
        self.drafts: dict[str, Draft] = {}
        self.records: list[tuple[Draft, Mapping[str, Any]]] = []

    def read(self) -> Document:
        root = self.document.root
        if self.record.get("preamble"):
            self.losses.add("script", "preamble")
        if self.record.get("description"):
            self.losses.add("description", "description")
        spec = self.record.get("root state")
        if not isinstance(spec, Mapping):
            self.problems.add("root state", f"is {shorten(spec, 60)}; a mapping is needed")
            self.problems.raise_if_any()
            return self.document
        root.key = str(spec.get("name") or "root")
        self._create(root, spec)
        for draft, each in self.records:
            self._connect(draft, each)
        self.problems.raise_if_any()
        return self.document

    # --- states ---------------------------------------------------------------------------

    def _create(self, draft: Draft, record: Mapping[str, Any]) -> None:
        self.records.append((draft, record))
        if self.drafts.setdefault(draft.key, draft) is not draft:
            self.problems.add(draft.path, "the name appears twice")
        kind = record.get("type")
        if kind == "final":
            draft.kind = "final"
        elif isinstance(kind, str) and kind in _KINDS:
            draft.kind, draft.deep = "history", _KINDS[kind]
        elif kind is not None:
            self.problems.unknown(f"{draft.path} type", "type", kind, ("final", *_KINDS))
        regions = record.get("parallel states")
        if regions:
            draft.kind = "parallel"
        inside = regions or record.get("states") or []
        if not isinstance(inside, list):
            self.problems.add(draft.path, f"states is {shorten(inside, 60)}; a list is needed")
            return
        for each in inside:
            if isinstance(each, Mapping) and isinstance(each.get("name"), (str, int)):
                self.document.count()
                self._create(draft.add(str(each["name"])), each)
            else:
                self.problems.add(
                    draft.path, f"{shorten(each, 60)} is no state: a mapping with a name is needed"
                )

    def _connect(self, draft: Draft, record: Mapping[str, Any]) -> None:
        for key in record:
            if key not in _STATE_KEYS:
                self.losses.add("key", f"{shorten(key, 40)} of {draft.path}")
        for key in ("on entry", "on exit"):
            if record.get(key):
                self.losses.add("script", f"{key} of {draft.path}")
        if record.get("contract"):
            self.losses.add("contract", draft.path)
        draft.initial = self._initial(draft, record)
        routes = record.get("transitions") or []
        if isinstance(routes, list) and all(isinstance(each, Mapping) for each in routes):
            for each in routes:
                self._transition(draft, each)
        else:
            self.problems.add(
                draft.path, f"transitions is {shorten(routes, 60)}; a list of mappings is needed"
            )

    def _initial(self, draft: Draft, record: Mapping[str, Any]) -> Draft | None:
        start = record.get("memory" if draft.kind == "history" else "initial")
        found = None if start is None else self._named(start, draft, "initial")
        if found is None or draft.kind == "history" or found.is_inside(draft):
            return found
        self.problems.add(draft.path, f"initial is {shorten(start)}, which is outside")
        return None

    def _named(self, name: object, draft: Draft, key: str) -> Draft | None:
        found = self.drafts.get(str(name))
        if found is None:
            self.problems.unknown(f"{draft.path} {key}", "state", str(name), self.drafts)
        return found

    # --- transitions ----------------------------------------------------------------------

    def _transition(self, draft: Draft, record: Mapping[str, Any]) -> None:
        event = record.get("event")
        place = f"{draft.path} on {event or 'nothing'}"
        for key, kind in (("action", "script"), ("contract", "contract"), ("priority", "priority")):
            if record.get(key):
                self.losses.add(kind, place)
        for key in record:
            if key not in _TRANSITION_KEYS:
                self.losses.add("key", f"{shorten(key, 40)} of {place}")
        route = Route()
        if record.get("target") is not None:
            target = self._named(record["target"], draft, "target")
            route.targets = [] if target is None else [target]
        guard = record.get("guard")
        delay = _AFTER.fullmatch(guard.strip()) if isinstance(guard, str) else None
        if delay is not None and not event and 0 < float(delay[1]) <= MAX_SECONDS:
            draft.after.append((float(delay[1]), [route]))
            return
        if guard is not None:
            self._guard(route, str(guard), place)
        if event:
            route.event = str(event)
            draft.routes.append(route)
        else:
            draft.always.append(route)

    def _guard(self, route: Route, text: str, place: str) -> None:
        bare = re.sub(r"^not\s+", "", text.strip())
        asked = _ACTIVE.fullmatch(bare)
        if asked is not None and asked[1] in self.drafts:
            name = self.document.asks_for(self.drafts[asked[1]])
            if bare == text.strip():
                route.conditions = (name,)
            else:
                route.unless = (name,)
            return
        self.losses.add("expression", f"{shorten(text, 60)} of {place}")
        route.conditions = (" ".join(text.split())[:MAX_NAME_LENGTH] or "condition",)
