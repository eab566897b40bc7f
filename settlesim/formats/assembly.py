"""Assembles drafts into a chart: names, a state for the root where it needs one, and targets.

Rules
-----
0. The chart has the semantics of SCXML, whatever format was read.
1. The root is the chart itself. It becomes a state of its own where the document lets it do
   what only a state can: be parallel, run a service, wait, be entered or left.
2. Otherwise its transitions hold for every state of the first level, after their own.
3. Dots join names in a chart, so a dot in a key becomes ``_``; the key stays as the label.
4. A name with several roles in the document (service, guard, action) becomes one name for each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

from settlesim.chart.definition import RESERVED_PREFIXES
from settlesim.chart.event import MAX_NAME_LENGTH
from settlesim.errors import ReadError
from settlesim.formats.draft import Document, Draft, Invoked, Route
from settlesim.formats.losses import Losses

__all__ = ["assembled_record", "is_wrapped", "name_drafts"]

_MAX_TARGETS: Final = 100
_ROLES: Final = ("service", "guard", "action")


def is_wrapped(root: Draft) -> bool:
    """Whether the root has to be a state of the chart."""
    return bool(
        root.kind == "parallel"
        or root.initial is None
        or root.more_initial
        or root.invoke
        or root.always
        or root.after
        or root.entry
        or root.exit
        or root.on_done
        or root.tags
    )


def name_drafts(document: Document, losses: Losses) -> None:
    """Give every draft its full name."""
    root = document.root
    wrapped = is_wrapped(root)
    root.name = _local_name(root.key or "machine") if wrapped else ""
    if wrapped and root.name != root.key and root.label is None:
        root.label = root.key or None
    for draft in root.every():
        taken = {child.key for child in draft.children if _local_name(child.key) == child.key}
        kept: set[str] = set()
        for number, child in enumerate(draft.children):
            local = child.key
            if local not in taken or local in kept:
                local = _local_name(child.key, taken, number)
                taken.add(local)
                losses.add("renamed state", child.path, f"(now {local})")
            kept.add(local)
            if local != child.key and child.label is None and child.key.strip():
                child.label = child.key[:MAX_NAME_LENGTH]
            child.name = f"{draft.name}.{local}" if draft.name else local


def _local_name(key: str, taken: Collection[str] = (), number: int = 0) -> str:
    """Return a name that a chart can have, and that is not taken.

    Parameters
    ----------
    number : the state's position among its siblings, for a key that cannot be a name
    """
    name = key.replace(".", "_")
    if not name.strip() or name in {"*", "="}:
        name = f"state_{number}"
    found, more = name, 2
    while found in taken:
        found, more = f"{name}_{more}", more + 1
    return found


def assembled_record(document: Document, losses: Losses) -> dict[str, Any]:
    """Return the mapping that `Chart.from_dict` reads; the drafts have their names."""
    return _Assembler(document, losses).record()


class _Assembler:
    """Writes one document's drafts in the notation of a chart."""

    def __init__(self, document: Document, losses: Losses) -> None:
        self.document = document
        self.losses = losses
        self.wrapped = is_wrapped(document.root)
        self.functions = self._functions()
        self.transitions: list[dict[str, Any]] = []

    def record(self) -> dict[str, Any]:
        """Return the record of the whole chart."""
        root = self.document.root
        tops = [root] if self.wrapped else root.children
        # A history state of the root would never remember anything, since the root is never left.
        states = [self._state(draft) for draft in tops if self.wrapped or draft.kind != "history"]
        if not self.wrapped:
            for route in root.routes:
                self._add_event("*", route, root)
        record: dict[str, Any] = {"states": states, "transitions": self.transitions}
        initial = root if self.wrapped else root.initial
        assert initial is not None
        record["initial"] = self._always_at_first(initial).name
        record["semantics"] = "scxml"
        return record

    def _always_at_first(self, draft: Draft) -> Draft:
        """Replace a history state of an unwrapped root by its default: the root is never left."""
        if draft.kind != "history" or self.wrapped or draft.parent is not self.document.root:
            return draft
        root_initial = self.document.root.initial
        found = draft.initial or root_initial
        assert found is not None  # else the root would be a state
        return found if found.kind != "history" else self.document.root.children[0]

    # --- names of functions ---------------------------------------------------------------

    def _functions(self) -> dict[tuple[str, str], str]:
        """Return the name in the chart of every function, by role and name in the document."""
        uses: dict[tuple[str, str], None] = {}
        for draft in self.document.root.every():
            for service in draft.invoke:
                uses["service", service.src] = None
            for name in (*draft.entry, *draft.exit):
                uses["action", name] = None
            for route in draft.all_routes():
                uses.update(dict.fromkeys(("guard", each) for each in route.conditions))
                uses.update(dict.fromkeys(("guard", each) for each in route.unless))
                uses.update(dict.fromkeys(("action", each) for each in route.actions))
        for name in self.document.asked:
            uses.pop(("guard", name), None)
        found: dict[tuple[str, str], str] = {}
        taken: set[str] = set()
        for role, name in sorted(uses, key=lambda use: _ROLES.index(use[0])):
            free = name
            while free in taken:
                free = f"{free}_{role}"
            if free != name:
                self.losses.add("renamed function", f"{name} ({role}: {free})")
            found[role, name] = free
            taken.add(free)
        return found

    def _named(self, role: str, names: Iterable[str]) -> list[str]:
        asked = self.document.asked
        return [
            f"In({asked[name].name})" if name in asked else self.functions[role, name]
            for name in names
        ]

    # --- states ---------------------------------------------------------------------------

    def _state(self, draft: Draft) -> dict[str, Any]:
        if draft.kind == "history":
            return self._history(draft)
        final = draft.kind == "final" and not draft.children
        record: dict[str, Any] = {
            "name": draft.name.rpartition(".")[2],
            "tags": draft.tags,
            "final": final,
            "label": draft.label,
            "on_enter": self._named("action", draft.entry),
            "on_exit": self._named("action", draft.exit),
        }
        if final:
            self._note_final(draft)
        else:
            record["invoke"] = [self._invocation(each, draft) for each in draft.invoke]
            record["after"] = self._after(draft)
            record["always"] = [self._target(each, draft) for each in draft.always]
            record["on_done"] = [self._target(each, draft) for each in draft.on_done]
            for route in draft.routes:
                self._add_event(draft.name, route, draft)
        children = [self._state(each) for each in draft.children]
        record["parallel" if draft.kind == "parallel" else "children"] = children
        if draft.kind != "parallel" and draft.initial is not None:
            record["initial"] = self._initial(draft, draft.initial)
        return {key: value for key, value in record.items() if value}

    def _history(self, draft: Draft) -> dict[str, Any]:
        record: dict[str, Any] = {
            "name": draft.name.rpartition(".")[2],
            "history": "deep" if draft.deep else "shallow",
        }
        if draft.initial is not None:
            record["default"] = [each.name for each in (draft.initial, *draft.more_initial)]
        if draft.label is not None:
            record["label"] = draft.label
        return record

    def _initial(self, draft: Draft, initial: Draft) -> str | list[str]:
        if draft.more_initial:
            return [each.name for each in (initial, *draft.more_initial)]
        return initial.name.rpartition(".")[2] if initial.parent is draft else initial.name

    def _note_final(self, draft: Draft) -> None:
        kept = [*draft.all_routes(), *draft.invoke]
        for _ in kept:
            self.losses.add("final", draft.path)

    def _invocation(self, service: Invoked, draft: Draft) -> dict[str, Any]:
        record: dict[str, Any] = {
            "src": self.functions["service", service.src],
            "input": service.input,
            "timeout": service.timeout,
            "on_done": [self._target(each, draft) for each in service.on_done],
            "on_error": [self._target(each, draft) for each in service.on_error],
        }
        if service.retry:
            record["retry"] = service.retry
        return {key: value for key, value in record.items() if value not in (None, [])}

    def _after(self, draft: Draft) -> dict[str, Any]:
        """Return the delays; two of one length become one with both transitions."""
        found: dict[str, list[dict[str, Any]]] = {}
        for seconds, routes in draft.after:
            key = str(int(seconds)) if seconds == int(seconds) else repr(seconds)
            found.setdefault(key, []).extend(self._target(each, draft) for each in routes)
        return {key: targets for key, targets in found.items() if targets}

    # --- transitions ----------------------------------------------------------------------

    def _add_event(self, source: str, route: Route, draft: Draft) -> None:
        self.transitions.append(
            {
                "trigger": self._event_name(route.event, draft),
                "source": source,
                **self._target(route, draft),
            }
        )

    def _event_name(self, event: str, draft: Draft) -> str:
        name = event
        if name.startswith(RESERVED_PREFIXES):
            name = name.replace(".", "_").lstrip("_")
            self.losses.add("renamed event", f"{event} of {draft.path} (now {name})")
        return name

    def _target(self, route: Route, draft: Draft) -> dict[str, Any]:
        targets = [self._always_at_first(each) for each in dict.fromkeys(route.targets)]
        if len(targets) > _MAX_TARGETS:
            raise ReadError(
                source=self.document.format,
                reason=f"a transition of {draft.path} has {len(targets)} targets; {_MAX_TARGETS} "
                "is the limit",
            )
        record = self._dests(route, draft, targets)
        lists = (
            ("conditions", self._named("guard", route.conditions)),
            ("unless", self._named("guard", route.unless)),
            ("assign", self._named("action", route.actions)),
        )
        record.update((key, names) for key, names in lists if names)
        if route.label is not None:
            record["label"] = route.label
        return record

    def _dests(self, route: Route, draft: Draft, targets: list[Draft]) -> dict[str, Any]:
        names = [self._name_of(each) for each in targets]
        if not names:
            return {"dest": None}
        inside = all(each is draft or each.is_inside(draft) for each in targets)
        if route.reenter or not inside or not draft.name:
            return {"dest": names[0] if len(names) == 1 else names}
        if not draft.children:  # it is its own target: nothing is left or entered
            return {"dest": None}
        return {"dest": names[0] if len(names) == 1 else names, "internal": True}

    def _name_of(self, target: Draft) -> str:
        """Return the name of a target; for a root that is no state, that of its initial state."""
        if target.name:
            return target.name
        assert target.initial is not None  # else the root would be a state
        return self._always_at_first(target.initial).name
