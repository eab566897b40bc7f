"""What is lost between a format and a chart, reported by kind and place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from settlesim.errors import shorten

__all__ = ["KINDS", "Loss", "LossKind", "Losses"]

_MAX_PLACES: Final = 3


@dataclass(frozen=True, slots=True)
class LossKind:
    """One kind of thing that is left out or changed."""

    one: str
    many: str
    advice: str = ""
    """What to do about it; empty where there is nothing to do."""
    matters: bool = True
    """Whether the chart behaves differently without it; a description does not matter."""


KINDS: Final[Mapping[str, LossKind]] = {
    "action parameters": LossKind(
        "action with parameters",
        "actions with parameters",
        "bind a function with the values in it",
    ),
    "built-in action": LossKind(
        "action of the format itself",
        "actions of the format itself",
        "write it as an assign, and name it in the state or transition",
    ),
    "guard parameters": LossKind(
        "guard with parameters", "guards with parameters", "bind a function with the values in it"
    ),
    "guard": LossKind(
        "condition that is no name",
        "conditions that are no names",
        "write a guard and name it in `conditions`",
    ),
    "expression": LossKind(
        "condition that is code",
        "conditions that are code",
        "bind a guard to its text",
    ),
    "output": LossKind(
        "output of a final state", "outputs of final states", "keep it in the context"
    ),
    "final": LossKind(
        "part of a final state that could do something",
        "parts of final states that could do something",
        "a final state is the end",
    ),
    "reserved event": LossKind(
        "transition on an event that only the engine sends",
        "transitions on events that only the engine sends",
        "write it as on_done or on_error",
    ),
    "renamed event": LossKind(
        "event whose name is reserved or too long",
        "events whose names are reserved or too long",
        "send it by its new name",
    ),
    "wildcard order": LossKind(
        "wildcard beside a guarded transition",
        "wildcards beside guarded transitions",
        "XState does not try `*` where a transition names the event and its guard does not hold",
    ),
    "named delay": LossKind(
        "named delay without a length",
        "named delays without a length",
        "taken for 1 s; give `delays={name: seconds}`",
    ),
    "input": LossKind(
        "input that is computed", "inputs that are computed", "give `inputs={service: value}`"
    ),
    "inline service": LossKind(
        "service that is a machine or code itself",
        "services that are machines or code themselves",
        "bind a service to its name",
    ),
    "service detail": LossKind(
        "detail of a service", "details of services", "have the service do it itself"
    ),
    "context": LossKind(
        "context that is no JSON object", "contexts that are no JSON objects", "give it as data"
    ),
    "key": LossKind("key without a meaning here", "keys without a meaning here"),
    "event data": LossKind(
        "data of an event that the chart sends itself", "data of events that the chart sends itself"
    ),
    "sent event": LossKind(
        "event that is sent or raised",
        "events that are sent or raised",
        "have a service or the sender do it",
    ),
    "script": LossKind(
        "script, assignment or expression",
        "scripts, assignments and expressions",
        "write it as an assign, and name it in the state or transition",
    ),
    "data path": LossKind(
        "path, template or assignment of data",
        "paths, templates and assignments of data",
        "write it as an assign",
    ),
    "jitter": LossKind(
        "wait of a random length between the runs of a Parallel",
        "waits of random lengths between the runs of Parallels",
        "here each wait is the longest that it may be",
    ),
    "many retries": LossKind(
        "Parallel that is run again more than 20 times",
        "Parallels that are run again more than 20 times",
        "here it fails after 20",
    ),
    "map": LossKind(
        "step that runs once per item",
        "steps that run once per item",
        "it stands here as one service",
    ),
    "branch error": LossKind(
        "States.BranchFailed",
        "States.BranchFailed",
        "a branch fails with the error of its state: name that one",
    ),
    "contract": LossKind("contract", "contracts", "write a test with it"),
    "priority": LossKind(
        "transition priority", "transition priorities", "the order of the document decides"
    ),
    "pseudo-state": LossKind(
        "choice, fork or join", "choices, forks and joins", "it is an ordinary state here"
    ),
    "initial transition": LossKind(
        "action of an initial transition",
        "actions of initial transitions",
        "name it in `on_enter`",
    ),
    "renamed function": LossKind(
        "name of two roles",
        "names of two roles",
        "one of them has the role behind its name",
    ),
    "time-out": LossKind(
        "time-out of a service", "time-outs of services", "have the service end in time"
    ),
    "region to region": LossKind(
        "transition from one region to another",
        "transitions from one region to another",
        "here the parallel state is left and entered, in XState it is not",
    ),
    "region order": LossKind(
        "transition without a target around regions that take its event",
        "transitions without a target around regions that take their event",
        "here it fires as well, in XState it does not",
    ),
    "history from inside": LossKind(
        "transition from inside a state to its history state",
        "transitions from inside states to their history states",
        "XState may enter states which it has not left, a chart does not",
    ),
    "deep initial": LossKind(
        "initial state further inside",
        "initial states further inside",
        "the first level is entered by its own default",
    ),
    "history": LossKind("history state", "history states", "the format has none"),
    "several targets": LossKind(
        "transition with several targets",
        "transitions with several targets",
        "the format knows one",
    ),
    "event prefix": LossKind(
        "event that begins like another one",
        "events that begin like others",
        "SCXML takes its name for theirs, too",
    ),
    "single region": LossKind(
        "parallel state of one region", "parallel states of one region", matters=False
    ),
    "machine": LossKind("part of a machine", "parts of a machine"),
    "function order": LossKind(
        "function of prepare, after or on_final",
        "functions of prepare, after and on_final",
        "the format has no such place",
    ),
    "chart setting": LossKind(
        "setting of the chart", "settings of the chart", "say it again where the file is read"
    ),
    "initial context": LossKind(
        "context of a new instance", "contexts of new instances", "the format has no data"
    ),
    "internal transition": LossKind(
        "transition that leaves nothing",
        "transitions that leave nothing",
        "the format has no such arrow",
    ),
    "ambiguous name": LossKind(
        "name that reads as more than a name",
        "names that read as more than names",
        "rename it",
    ),
    "tag": LossKind("tag that is no settling tag", "tags that are no settling tags", matters=False),
    "description": LossKind("description or note", "descriptions and notes", matters=False),
    "renamed state": LossKind(
        "state under another name",
        "states under other names",
        "a dot or another sign has a meaning here",
        matters=False,
    ),
}
"""Every kind of loss, by the name that readers use."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Everything that was lost of one kind, and where."""

    kind: str
    places: tuple[str, ...]
    sentence: str = ""
    """The sentence of a reader that has no kinds, in place of `places`."""

    @property
    def matters(self) -> bool:
        """Whether the chart behaves differently without it."""
        return KINDS[self.kind].matters

    def __str__(self) -> str:
        if self.sentence:
            return self.sentence
        kind = KINDS[self.kind]
        number = len(self.places)
        shown = ", ".join(self.places[:_MAX_PLACES])
        more = f" and {number - _MAX_PLACES} more" if number > _MAX_PLACES else ""
        advice = f": {kind.advice}" if kind.advice else ""
        return f"{number} {kind.one if number == 1 else kind.many}, at {shown}{more}{advice}"


class Losses:
    """Collects what is lost while a document is read or written."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def add(self, kind: str, *place: str) -> None:
        """Note one thing; the parts of its place are joined by blanks."""
        assert kind in KINDS
        words = " ".join(each if each.isprintable() else shorten(each) for each in place)
        if len(words) > 160:
            words = f"{words[:78]}...{words[-78:]}"
        self._places.setdefault(kind, []).append(words)

    def listed(self) -> tuple[Loss, ...]:
        """Return everything by kind: first the kinds that matter, then in the order found."""
        found = [Loss(kind, tuple(places)) for kind, places in self._places.items()]
        return tuple(sorted(found, key=lambda loss: not loss.matters))
