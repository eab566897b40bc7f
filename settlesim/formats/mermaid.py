"""Reads Mermaid state diagrams (``stateDiagram-v2``): a small grammar of lines.

Mermaid draws; it has no rules for what its labels mean. They are read as UML writes them
(UML 2.5, 14.2.4.9): ``EVENT [guard] / action``. So are the lines of a state: ``entry / f``,
``exit / f`` and ``do / service``, whose result and failure are ``done service`` and
``error service``. ``after 5 s`` is a delay, an arrow without a label is an eventless transition,
and a state whose only arrow is ``--> [*]`` is final.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from settlesim.chart.dialect import MAX_SECONDS
from settlesim.chart.event import MAX_NAME_LENGTH
from settlesim.chart.functions import asked_state
from settlesim.chart.report import counted_noun
from settlesim.errors import ReadError, shorten
from settlesim.formats.draft import Document, Draft, Invoked, Route
from settlesim.formats.losses import Losses
from settlesim.formats.reading_text import MAX_DEPTH

__all__ = ["TAG_CLASSES", "read_mermaid"]

TAG_CLASSES: Final = {
    "settled": "settled",
    "resolve": "resolve",
    "reject": "reject",
    "rejected": "reject",
}
"""The style classes that are read as settling tags; settlesim's own pictures use them."""

_FENCE: Final = re.compile(r"\s*(`{3,}|~{3,})\s*mermaid\b")
_TITLE: Final = re.compile(r"\s*title:\s*(.+?)\s*")
_HEADER: Final = re.compile(r"\s*stateDiagram(-v2)?\s*$")
_ID: Final = r'(?:\[\*\]|[^\s:{}"<>\[\];-]+(?:-(?!-)[^\s:{}"<>\[\];-]+)*)'
_ARROW: Final = re.compile(
    rf"(?P<source>{_ID})(?::::?\w+)?\s*-->\s*(?P<dest>{_ID})(?::::?\w+)?\s*(?::\s*(?P<label>.*))?"
)
_STATE: Final = re.compile(
    rf'state\s+(?:"(?P<label>[^"]*)"\s+as\s+)?(?P<id>{_ID})(?::::?(?P<class>\w+))?'
    r"\s*(?P<kind><<\w+>>|\[\[\w+\]\])?\s*(?P<opens>\{)?"
)
_LINE: Final = re.compile(rf"(?P<id>{_ID})\s*:(?!::)\s*(?P<text>.*)")
_ALONE: Final = re.compile(rf"(?P<id>{_ID})(?::::?(?P<class>\w+))?")
_CLASS: Final = re.compile(r"class\s+(?P<ids>[^;]+?)\s+(?P<class>\w+)")
_NOTE: Final = re.compile(r"note\s+(?:(?:left|right)\s+of\s+\S+?|\".*\"\s+as\s+\S+)\s*(:.*)?")
_STYLES: Final = re.compile(
    r"(direction|classDef|style|click|hide|scale|linkStyle|accTitle|accDescr|title)\b"
)
_LABEL: Final = re.compile(
    r"(?P<event>.*?)\s*(?:\[(?P<guard>[^\[\]]*)\])?\s*(?:(?:^|(?<=[\s\]]))/\s+(?P<actions>.*))?"
)
_AFTER: Final = re.compile(
    r"after\s+(?P<number>[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?)\s*(?P<unit>ms|s|min|h)"
)
_UNITS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_ENTITY: Final = re.compile(r"#(\w{1,30});")


def read_mermaid(text: str, place: str, losses: Losses) -> Document:
    """Read the first state diagram of a text, which may be Markdown.

    Raises
    ------
    ReadError
        A line that the grammar does not have, with its number.
    """
    first, lines = _diagram(text, place)
    return _Reader(place, losses).read(lines, first)


def _diagram(text: str, place: str) -> tuple[int, list[str]]:
    """Return the number of the line where the first diagram begins, and all lines from there.

    In Markdown it ends with its fence; a title and directives may precede the header.
    """
    lines = text.split("\n")
    start, fence = 0, ""
    for index, line in enumerate(lines):
        opened = _FENCE.match(line)
        if fence and _closes(line, fence):
            fence = ""
        elif opened and not fence:
            start, fence = index + 1, opened[1]
        elif _HEADER.fullmatch(line):
            rest = range(index, len(lines) if fence else index)
            end = next((at for at in rest if _closes(lines[at], fence)), len(lines))
            return start + 1, lines[start:end]
    raise ReadError(source=place, reason="has no line `stateDiagram-v2`")


def _closes(line: str, fence: str) -> bool:
    """Whether a line closes a block of Markdown: the fence's character, at least as often."""
    return line.strip().startswith(fence) and not line.strip().strip(fence[0])


@dataclass(eq=False, slots=True)
class _Scope:
    """The content of a pair of braces, or of the whole diagram."""

    draft: Draft
    inside: list[Draft] = field(default_factory=list)
    """The states of the region that is being read."""
    regions: list[tuple[list[Draft], Draft | None]] = field(default_factory=list)
    """The regions before it, each with its first state."""
    first: Draft | None = None


class _Reader:
    def __init__(self, place: str, losses: Losses) -> None:
        self.place = place
        self.losses = losses
        self.document = Document(Draft("machine"), "a Mermaid state diagram")
        self.drafts: dict[str, Draft] = {}
        self.declared: set[str] = set()
        self.ends: dict[Draft, list[Route]] = {}
        """The transitions to ``[*]``, by the state around it."""
        self.choices: set[Draft] = set()
        self.scopes = [_Scope(self.document.root)]
        self.labelled: list[tuple[Draft, Draft | None, Draft, str, int]] = []
        self.unlabelled = 0
        self.number = 0

    def read(self, lines: list[str], first: int) -> Document:
        header = next(index for index, line in enumerate(lines) if _HEADER.fullmatch(line))
        for line in lines[:header]:
            if title := _TITLE.fullmatch(line):
                self.document.name = _plain(title[1].strip("\"'"))
        for number, line in _statements(lines[header + 1 :], first + header + 1):
            self.number = number
            self._statement(line)
        if len(self.scopes) > 1:
            self._refuse(f"the state {shorten(self.scopes[-1].draft.key)} has no closing brace")
        self._close()
        self._arrows()
        self._finals()
        root = self.document.root
        if root.initial is None and root.kind != "parallel" and root.children:
            root.initial = root.children[0]
            self.document.notes.append(f"nothing says where it starts: in {root.initial.path}")
        if self.unlabelled:
            arrows = counted_noun(self.unlabelled, "arrow")
            verb = "has" if self.unlabelled == 1 else "have"
            self.document.notes.append(f"{arrows} {verb} no label: taken at once, without an event")
        if not root.children:
            raise ReadError(source=self.place, reason="has no states")
        return self.document

    def _refuse(self, reason: str) -> None:
        raise ReadError(source=f"{self.place}, line {self.number}", reason=reason)

    # --- lines ----------------------------------------------------------------------------

    def _statement(self, line: str) -> None:
        if line == "}":
            if len(self.scopes) == 1:
                self._refuse("a closing brace without an opening one")
            self._close()
        elif line == "--":
            scope = self.scopes[-1]
            scope.regions.append((scope.inside, scope.first))
            scope.inside, scope.first = [], None
        elif _STYLES.match(line) or line.startswith("note "):
            if line.startswith(("note ", "acc", "title")):
                self.losses.add("description", f"line {self.number}")
        elif not self._is_about_a_state(line):
            self._refuse(
                f"{shorten(line, 60)} is neither a state, an arrow (a --> b : EVENT [guard] / "
                "action), a note nor a style"
            )

    def _is_about_a_state(self, line: str) -> bool:
        """Read a line that names a state; False where it is none."""
        if found := _CLASS.fullmatch(line):
            for id_ in found["ids"].split(","):
                if id_.strip() in self.drafts:
                    self._tag(self.drafts[id_.strip()], found["class"])
        elif found := _ARROW.fullmatch(line):
            self._arrow(found)
        elif found := _STATE.fullmatch(line):
            self._state(found)
        elif found := _LINE.fullmatch(line):
            self._words(self._mention(found["id"]), _plain(found["text"]))
        elif (found := _ALONE.fullmatch(line)) and found["id"] != "[*]":
            self._tag(self._mention(found["id"]), found["class"])
        return found is not None

    def _tag(self, draft: Draft, name: str | None) -> None:
        tag = TAG_CLASSES.get(name or "")
        if tag is not None and tag not in draft.tags:
            draft.tags.append(tag)

    def _mention(self, id_: str) -> Draft:
        """Return the state with this id; it belongs to the scope that mentions it first."""
        scope = self.scopes[-1]
        if id_ not in self.drafts:
            self.document.count()
            self.drafts[id_] = scope.draft.add(id_)
            scope.inside.append(self.drafts[id_])
        return self.drafts[id_]

    def _declare(self, id_: str) -> Draft:
        """Return the state with this id, moved to the scope that declares it."""
        scope = self.scopes[-1]
        draft = self.drafts.get(id_)
        moves = (
            draft is not None
            and id_ not in self.declared
            and draft.parent is not scope.draft
            and not scope.draft.is_inside(draft)
            and scope.draft is not draft
        )
        self.declared.add(id_)
        if draft is None or not moves:
            return self._mention(id_)
        assert draft.parent is not None
        draft.parent.children.remove(draft)
        for other in self.scopes:
            if draft in other.inside:
                other.inside.remove(draft)
        draft.parent = scope.draft
        scope.draft.children.append(draft)
        scope.inside.append(draft)
        return draft

    def _state(self, found: re.Match[str]) -> None:
        if found["id"] == "[*]":
            self._refuse("[*] is no name of a state")
        draft = self._declare(found["id"])
        if found["label"]:
            label = _plain(found["label"])[:MAX_NAME_LENGTH]
            draft.label = label if label and label != draft.key else None
        self._tag(draft, found["class"])
        kind = (found["kind"] or "").strip("<>[]")
        if kind == "choice":
            self.choices.add(draft)
        elif kind:
            self.losses.add("pseudo-state", f"{kind} {draft.path}")
        if found["opens"]:
            if len(self.scopes) > MAX_DEPTH:
                self._refuse(f"states nest deeper than {MAX_DEPTH} levels")
            if any(scope.draft is draft for scope in self.scopes):
                self._refuse(f"the state {shorten(draft.key)} stands inside itself")
            self.scopes.append(_Scope(draft))

    def _words(self, draft: Draft, text: str) -> None:
        """Read a line of a state: what it does on entry and exit, what runs, or its label."""
        key, slash, rest = text.partition(" / ")
        names = [name.strip() for name in rest.split(",") if name.strip()]
        if slash and key.strip() in {"entry", "enter"}:
            draft.entry += names
        elif slash and key.strip() == "exit":
            draft.exit += names
        elif slash and key.strip() == "do":
            draft.invoke += [Invoked(name) for name in names]
        elif draft.label is None:
            draft.label = text[:MAX_NAME_LENGTH].strip() or None
        else:
            self.losses.add("description", f"line {self.number}")

    def _arrow(self, found: re.Match[str]) -> None:
        scope = self.scopes[-1]
        label = _plain(found["label"] or "").strip()
        if found["source"] == "[*]":
            if found["dest"] == "[*]":
                self._refuse("an arrow from [*] to [*] leads nowhere")
            dest = self._mention(found["dest"])
            if label:
                self.losses.add("initial transition", f"line {self.number}")
            if scope.first is not None and scope.first is not dest:
                self.losses.add("pseudo-state", f"a second start in line {self.number}")
            scope.first = scope.first or dest
            return
        self.document.count_route()
        source = self._mention(found["source"])
        target = None if found["dest"] == "[*]" else self._mention(found["dest"])
        self.labelled.append((source, target, scope.draft, label, self.number))

    # --- the end of a block ---------------------------------------------------------------

    def _close(self) -> None:
        """Make regions of what lines of ``--`` separate, and set the initial state."""
        scope = self.scopes.pop() if len(self.scopes) > 1 else self.scopes[0]
        draft = scope.draft
        if not scope.regions:
            draft.initial = draft.initial or scope.first
            return
        scope.regions.append((scope.inside, scope.first))
        draft.kind = "parallel"
        regions = [region for region in scope.regions if region[0] or region[1]]
        draft.children, draft.by_key = [], {}
        for number, (inside, first) in enumerate(regions, 1):
            if len(inside) == 1 and first is None:
                draft.children.append(inside[0])
                draft.by_key[inside[0].key] = inside[0]
                continue
            self.document.count()
            region = draft.add(f"region_{number}")
            region.children = inside
            region.by_key = {child.key: child for child in inside}
            region.initial = first
            for child in inside:
                child.parent = region

    # --- arrows ---------------------------------------------------------------------------

    def _arrows(self) -> None:
        """Read the labels, when every state and service is known."""
        for source, target, around, label, number in self.labelled:
            self.number = number
            route = Route(targets=[] if target is None else [target])
            if target is None:
                self.ends.setdefault(_scope_of(source, around), []).append(route)
            self._label(source, route, label)

    def _label(self, source: Draft, route: Route, label: str) -> None:
        if source in self.choices:  # the labels of its arrows are conditions
            if label not in {"", "else", "otherwise", "[else]"}:
                route.conditions = (label.strip("[]")[:MAX_NAME_LENGTH],)
            source.always.append(route)
            return
        found = _LABEL.fullmatch(label)
        event, guard, actions = (found[1], found[2], found[3]) if found else (label, None, None)
        names = [name.strip() for name in (guard or "").split(" and ") if name.strip()]
        route.conditions = self._guards(each for each in names if not each.startswith("not "))
        route.unless = self._guards(each[4:] for each in names if each.startswith("not "))
        route.actions = tuple(each.strip() for each in (actions or "").split(",") if each.strip())
        self._trigger(source, route, event.strip())

    def _guards(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the names of guards, with placeholders for ``In(state)``."""
        found = []
        for name in map(str.strip, names):
            state = asked_state(name)
            if state is None:
                found.append(name)
            elif state in self.drafts:
                found.append(self.document.asks_for(self.drafts[state]))
            else:
                self.losses.add("guard", f"{name} in line {self.number}, which is no state's id")
                found.append(f"in {state}")
        return tuple(found)

    def _trigger(self, source: Draft, route: Route, event: str) -> None:
        delay = _AFTER.fullmatch(event)
        word, _, service = event.partition(" ")
        called = next((each for each in source.invoke if each.src == service), None)
        if delay is not None:
            seconds = float(delay["number"]) * _UNITS[delay["unit"]]
            if not 0 < seconds <= MAX_SECONDS:
                self._refuse(f"{shorten(event)} is no delay in (0, {MAX_SECONDS:g}] seconds")
            for known, routes in source.after:
                if known == seconds:
                    routes.append(route)
                    return
            source.after.append((seconds, [route]))
        elif called is not None and word in {"done", "error"}:
            (called.on_done if word == "done" else called.on_error).append(route)
        elif event == "done" and source.children:
            source.on_done.append(route)
        elif event:
            route.event = event
            source.routes.append(route)
        else:
            plain = not (route.conditions or route.unless)
            self.unlabelled += plain and bool(route.targets)
            source.always.append(route)

    def _finals(self) -> None:
        """Point arrows to ``[*]`` at a new final state; a state without other arrows is final."""
        for around, routes in self.ends.items():
            to_end = {id(route) for route in routes}
            alone = [draft for draft in around.children if self._is_end(draft, to_end)]
            for draft in alone:
                draft.kind = "final"
                routes.remove(draft.always[0])
                draft.always = []
            if not routes:
                continue
            self.document.count()
            key = "end"
            while key in self.drafts:
                key += "_"
            final = around.add(key, "final")
            for route in routes:
                route.targets = [final]

    def _is_end(self, draft: Draft, to_end: set[int]) -> bool:
        """Whether a state does nothing except to end: it has one arrow, with no label."""
        every = list(draft.all_routes())
        if draft.children or len(every) != 1 or draft.invoke or not draft.always:
            return False
        (only,) = every
        return id(only) in to_end and not (only.conditions or only.unless or only.actions)


def _scope_of(source: Draft, around: Draft) -> Draft:
    """Return the state that an end belongs to: the region of its source, if there are regions."""
    if around.kind != "parallel":
        return around
    return next(
        (above for above in source.above() if above.parent is around), source.parent or around
    )


def _statements(lines: list[str], first: int) -> Iterator[tuple[int, str]]:
    """Yield every statement with its line number, without comments, directives and note texts."""
    skipping: re.Pattern[str] | None = None
    for number, raw in enumerate(lines, first):
        line = " ".join(raw.split())
        if skipping is not None:
            skipping = None if skipping.search(line) else skipping
            continue
        if line.startswith("%%{") and "}%%" not in line:
            skipping = re.compile(r"\}%%")
        elif line.startswith("%%") or not line:
            continue
        elif (note := _NOTE.fullmatch(line)) and note[1] is None and '"' not in line:
            skipping = re.compile(r"^end note$")
            yield number, line
        elif re.fullmatch(r"accDescr\s*\{[^}]*", line):
            skipping = re.compile(r"\}")
        else:
            for part in _split(line):
                yield number, part


def _split(line: str) -> Iterator[str]:
    """Yield the statements of one line, which semicolons and braces separate."""
    parts = re.split(r"(?<!#\w)(?<!#\w\w)(?<!#\w\w\w)(?<!#\w\w\w\w)(?<!#\w\w\w\w\w);", line)
    for part in parts:
        rest = part.strip()
        while rest.startswith("state ") and "{" in rest.rstrip("{ "):
            block, _, rest = rest.partition("{")
            yield f"{block}{{"
            rest = rest.strip()
        if rest.endswith("}") and rest != "}" and ":" not in rest:
            yield from (rest[:-1].strip(), "}")
        elif rest:
            yield rest


def _plain(text: str) -> str:
    """Return a text with Mermaid's entities decoded, such as ``#58;`` and ``#quot;``."""

    def sign(found: re.Match[str]) -> str:
        name = found[1]
        return html.unescape(f"&#{name};" if name.isdigit() else f"&{name};")

    return re.sub(r"<br\s*/?>", " ", _ENTITY.sub(sign, text).replace("\\n", " ")).strip()
