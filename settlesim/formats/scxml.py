"""Reads the structure of SCXML documents (W3C State Chart XML 1.0).

What is carried over
--------------------
``state``, ``parallel``, ``final``, ``history`` and ``initial``; transitions with descriptors,
targets and types; conditions by their text, ``In()`` as it is; ``invoke`` with its results; a
``send`` with a delay to the state itself as a delay; ``data`` that is JSON as the context. A call
such as ``keep()`` in a condition or a ``script`` names a function. All other executable content is
reported as left out; nothing is run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element

from settlesim.chart.dialect import MAX_SECONDS
from settlesim.chart.event import MAX_NAME_LENGTH
from settlesim.chart.problems import Problems
from settlesim.errors import ReadError, shorten
from settlesim.formats.boolean_guards import ALWAYS, Alternatives, all_of, named, negated
from settlesim.formats.draft import Document, Draft, Invoked, Route
from settlesim.formats.losses import Losses
from settlesim.formats.reading_xml import read_xml

__all__ = ["NAMESPACE", "OWN", "read_scxml"]

NAMESPACE: Final = "http://www.w3.org/2005/07/scxml"
OWN: Final = "urn:settlesim:1"
"""The namespace for what SCXML itself lacks: names with blanks, and tags."""

_STATES: Final = ("state", "parallel", "final", "history")
_CALL: Final = re.compile(r'(?:([A-Za-z_$][\w$]*)\(\)|call\((".*")\))\s*;?')
_IN: Final = re.compile(r"""In\(\s*['"]?([^'"()]+?)['"]?\s*\)""")
_DELAY: Final = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e-?[0-9]+)?)\s*(ms|s)\s*")
_DONE: Final = "done.invoke"
_DONE_STATE: Final = "done.state."


def read_scxml(text: str, place: str, losses: Losses) -> Document:
    """Read a document.

    Raises
    ------
    ReadError
        No XML, or no SCXML.
    DefinitionError
        A target that is no state, an id that appears twice.
    """
    root = read_xml(text, source=place)
    if _tag(root) != "scxml":
        raise ReadError(
            source=place, reason=f"is XML with the root {shorten(_tag(root))}, not <scxml>"
        )
    return _Reader(root, losses).read()


class _Reader:
    def __init__(self, root: Element, losses: Losses) -> None:
        self.root = root
        self.losses = losses
        name = root.get("name")
        self.document = Document(Draft("machine"), "SCXML", name=name)
        self.problems = Problems(name or "chart")
        self.ids: dict[str, Draft] = {}
        self.elements: list[tuple[Draft, Element]] = []
        self.context: dict[str, Any] = {}
        self.events: set[str] = set()
        self.exact: dict[str, None] = {}
        """Events that match only their whole names, though in SCXML they match longer ones too."""

    def read(self) -> Document:
        root = self.document.root
        self._create(root, self.root)
        self.events = {
            name
            for element in self.root.iter()
            if _tag(element) in {"transition", "send", "raise"}
            for name in (element.get("event") or "").split()
        }
        for draft, element in self.elements:
            self._connect(draft, element)
        self.problems.raise_if_any()
        for draft in root.every():
            if draft.initial is None and draft.kind == "state" and draft.children:
                draft.initial = next(
                    (child for child in draft.children if child.kind != "history"), None
                )
        self.document.context = self.context
        if self.exact:
            shown = ", ".join(list(self.exact)[:5]) + (", ..." if len(self.exact) > 5 else "")
            self.document.notes.append(
                f"these events are taken by their whole names, which SCXML takes as prefixes, too: "
                f"{shown}"
            )
        return self.document

    # --- states ---------------------------------------------------------------------------

    def _create(self, draft: Draft, element: Element) -> None:
        self.elements.append((draft, element))
        for number, inner in enumerate(element):
            kind = _tag(inner)
            if kind not in _STATES:
                continue
            self.document.count()
            id_ = inner.get("id") or ""
            around = element.get("id") or ""
            own = inner.get(f"{{{OWN}}}name")
            key = id_[len(around) + 1 :] if around and id_.startswith(f"{around}.") else id_
            child = draft.add(own or key or f"{kind}_{number}")
            if kind != "state":
                child.kind = kind  # type: ignore[assignment]  # one of _STATES
            if id_ and self.ids.setdefault(id_, child) is not child:
                self.problems.add(child.path, f"the id {shorten(id_)} appears twice")
            self._create(child, inner)

    def _connect(self, draft: Draft, element: Element) -> None:
        self._initial(draft, element)
        tags = element.get(f"{{{OWN}}}tags")
        draft.tags = tags.split() if tags else []
        delays = self._sent_to_itself(element)
        for inner in element:
            kind = _tag(inner)
            if kind == "transition" and draft.kind != "history":
                self._transition(draft, inner, delays)
            elif kind == "invoke":
                self._invoke(draft, inner)
            elif kind in ("onentry", "onexit"):
                actions = self._actions(draft, inner, delays)
                (draft.entry if kind == "onentry" else draft.exit).extend(actions)
            elif kind == "datamodel":
                self._data(draft, inner)
            elif kind == "donedata":
                self.losses.add("output", draft.path)
            elif kind == "script":
                self.losses.add("script", f"script of {draft.path}")

    def _initial(self, draft: Draft, element: Element) -> None:
        text = element.get("initial")
        for inner in element:
            is_default = draft.kind == "history" and _tag(inner) == "transition"
            if _tag(inner) == "initial" or is_default:
                found = inner if is_default else _child(inner, "transition")
                if found is not None:
                    text = found.get("target")
                    if len(found):
                        self.losses.add("initial transition", draft.path)
        if draft.kind == "history":
            draft.deep = element.get("type") == "deep"
        targets = self._targets(text, draft, "initial")
        if targets:
            draft.initial, *draft.more_initial = targets

    def _targets(self, text: str | None, draft: Draft, where: str) -> list[Draft]:
        found = []
        for id_ in (text or "").split():
            if id_ in self.ids:
                found.append(self.ids[id_])
            else:
                self.problems.unknown(f"{draft.path} {where}", "target", id_, self.ids)
        return found

    def _data(self, draft: Draft, element: Element) -> None:
        for data in element:
            name = data.get("id")
            text = data.get("expr") or "".join(data.itertext()).strip() or "null"
            value = _json(text)
            if name and value is not _NO_JSON and not data.get("src"):
                self.context[name] = value
            else:
                self.losses.add("script", f"data {name or ''} of {draft.path}")

    # --- transitions ----------------------------------------------------------------------

    def _transition(self, draft: Draft, element: Element, delays: dict[str, float]) -> None:
        targets = self._targets(element.get("target"), draft, "transition")
        inside = bool(targets) and all(each.is_inside(draft) for each in targets)
        internal = element.get("type") == "internal" and inside and draft.kind != "parallel"
        actions = tuple(self._actions(draft, element, {}))
        place = f"{draft.path} on {element.get('event') or 'nothing'}"
        guards = self._guard(element.get("cond"), place)
        for event in (element.get("event") or "").split() or [""]:
            routes = [
                Route(
                    targets=targets,
                    reenter=bool(targets) and not internal,
                    conditions=conditions,
                    unless=unless,
                    actions=actions,
                )
                for conditions, unless in guards
            ]
            self._file(draft, event, routes, delays)

    def _file(
        self, draft: Draft, event: str, routes: list[Route], delays: dict[str, float]
    ) -> None:
        """File transitions by the source of their event: a service, a delay, an end, outside."""
        if not event:
            draft.always += routes
        elif event in delays:
            draft.after.append((delays[event], routes))
        elif event.startswith(_DONE_STATE) and self._take_end(draft, event, routes):
            pass
        elif event == _DONE or event.startswith((f"{_DONE}.", "error")):
            self._answer(draft, event, routes)
        elif event.startswith("done."):
            self.losses.add("reserved event", f"{event} of {draft.path}")
        else:
            for route in routes:
                route.event = self._descriptor(event)
                draft.routes.append(route)

    def _descriptor(self, event: str) -> str:
        """Return a chart's descriptor for an event; in SCXML ``a`` matches ``a.b`` too (3.12.1)."""
        name = event.removesuffix(".*").removesuffix(".")
        if name == "*":
            return "*"
        if name == event:
            self.exact[name] = None
        longer = any(each != f"{name}.*" and each.startswith(f"{name}.") for each in self.events)
        if longer or name != event:
            self.exact.pop(name, None)
            return f"{name}.*"
        return name

    def _take_end(self, draft: Draft, event: str, routes: list[Route]) -> bool:
        """Take transitions on ``done.state.id`` as that state's `on_done`, and return True.

        Return False where they do something else in a chart.
        """
        ended = self.ids.get(event.removeprefix(_DONE_STATE).removesuffix(".*"))
        if ended is None or not ended.children:
            return False
        if ended is not draft:
            leaves = all(
                route.targets and not any(each.is_inside(draft) for each in route.targets)
                for route in routes
            )
            if not leaves or not ended.is_inside(draft):
                return False
        ended.on_done += routes
        return True

    def _answer(self, draft: Draft, event: str, routes: list[Route]) -> None:
        """Give transitions on results and failures to the services that cause them."""
        id_ = event.removeprefix(f"{_DONE}.").removesuffix(".*")
        if event.startswith(_DONE):
            services = [each for each in draft.invoke if event == _DONE or each.id in {id_, ""}]
            for service in services[:1]:
                service.on_done += routes
        else:
            id_ = event.removeprefix("error.invoke.")
            services = [
                each for each in draft.invoke if not event.startswith("error.invoke.")
                or each.id == id_
            ]  # fmt: skip
            for service in services:
                service.on_error += routes
        if not services:
            self.losses.add("reserved event", f"{event} of {draft.path}")

    def _guard(self, text: str | None, place: str) -> Alternatives:
        if text is None or text.strip() == "true":
            return ALWAYS
        parts = re.split(r"\s*&&\s*|\s+and\s+", text.strip())
        if any(part.count("(") != part.count(")") for part in parts) or "||" in text:
            parts = [text.strip()]
        return all_of([self._one_guard(part, place) for part in parts])

    def _one_guard(self, text: str, place: str) -> Alternatives:
        bare = re.sub(r"^(!|not\b)\s*", "", text)
        asked, call = _IN.fullmatch(bare), _called(bare)
        if asked is not None and asked[1] in self.ids:
            guard = named(self.document.asks_for(self.ids[asked[1]]))
        elif call is not None:
            guard = named(call)
        else:
            self.losses.add("expression", f"{shorten(text, 60)} of {place}")
            return named(" ".join(text.split())[:MAX_NAME_LENGTH] or "condition")
        return guard if bare == text else negated(guard)

    # --- executable content ---------------------------------------------------------------

    def _sent_to_itself(self, element: Element) -> dict[str, float]:
        """Return the delay of each event that a state sends on entry and takes itself."""
        takes = {
            name
            for inner in element
            if _tag(inner) == "transition"
            for name in (inner.get("event") or "").split()
        }
        found: dict[str, float] = {}
        for inner in element:
            for send in inner if _tag(inner) == "onentry" else ():
                event = send.get("event")
                delay = _DELAY.fullmatch(send.get("delay") or "")
                if event is None or delay is None or _tag(send) != "send" or send.get("target"):
                    continue
                seconds = float(delay[1]) / (1000 if delay[2] == "ms" else 1)
                if event in takes and 0 < seconds <= MAX_SECONDS:
                    found[event] = seconds
        return found

    def _actions(self, draft: Draft, element: Element, delays: dict[str, float]) -> Iterator[str]:
        for inner in element:
            kind = _tag(inner)
            call = _called("".join(inner.itertext()).strip()) if kind == "script" else None
            if call is not None:
                yield call
            elif kind == "log":
                self.losses.add("description", f"log of {draft.path}")
            elif kind in ("send", "raise"):
                if inner.get("event") not in delays:
                    self.losses.add("sent event", f"{inner.get('event')} of {draft.path}")
            elif kind == "cancel":
                if not inner.get("sendid"):
                    self.losses.add("sent event", f"cancel of {draft.path}")
            elif kind:
                self.losses.add("script", f"{kind} of {draft.path}")

    def _invoke(self, draft: Draft, element: Element) -> None:
        src = element.get("src") or ""
        id_ = element.get("id") or ""
        if not src.strip():
            self.losses.add("inline service", draft.path)
            src = id_ or f"service of {draft.path}"
        service = Invoked(src[:MAX_NAME_LENGTH], id_)
        values: dict[str, Any] = {}
        for inner in element:
            kind = _tag(inner)
            text = inner.get("expr") or "".join(inner.itertext()).strip()
            value = _json(text) if kind in ("param", "content") else _NO_JSON
            if kind == "content" and value is not _NO_JSON:
                service.input = value
            elif kind == "param" and value is not _NO_JSON and inner.get("name"):
                values[str(inner.get("name"))] = value
            elif kind:
                self.losses.add("service detail", f"{kind} of {src} of {draft.path}")
        if values:
            service.input = values
        draft.invoke.append(service)


_NO_JSON: Final = object()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _NO_JSON


def _called(text: str) -> str | None:
    """Return the name of the function that a text calls; None if it does anything else."""
    found = _CALL.fullmatch(text.strip())
    if found is None:
        return None
    name = found[1] if found[1] else _json(found[2])
    return name if isinstance(name, str) and name.strip() else None


def _tag(element: Element) -> str:
    """Return the name of an element of SCXML, and an empty text for others."""
    tag = element.tag
    if not isinstance(tag, str):
        return ""
    namespace, _, name = tag.rpartition("}")
    return name if namespace.removeprefix("{") in ("", NAMESPACE) else ""


def _child(element: Element, name: str) -> Element | None:
    return next((inner for inner in element if _tag(inner) == name), None)
