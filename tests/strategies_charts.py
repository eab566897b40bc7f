"""Hypothesis strategies for valid charts, flat, nested and parallel, and for their records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import sqrt
from typing import Any

from hypothesis import strategies as st

from settlesim.chart import Chart, Event
from settlesim.chart.strict_json import FrozenDict

__all__ = [
    "ASSIGNS",
    "FUNCTIONS",
    "GUARDS",
    "SCXML_EVENTS",
    "TRIGGERS",
    "chart_records",
    "charts",
    "flat_charts",
    "scxml_records",
    "timed_charts",
]

TRIGGERS = ("A", "B", "C")


def _yes(context: FrozenDict, event: Event) -> bool:
    return True


def _no(context: FrozenDict, event: Event) -> bool:
    return False


def _is_even(context: FrozenDict, event: Event) -> bool:
    return bool(context.get("n", 0) % 2 == 0)


def _count(context: FrozenDict, event: Event) -> Mapping[str, Any]:
    return {"n": context.get("n", 0) + 1}


def _reset(context: FrozenDict, event: Event) -> Mapping[str, Any]:
    return {"n": 0}


async def _work(call: Any) -> Any:
    return call.input


def _note(context: FrozenDict, event: Event) -> Mapping[str, Any]:
    return {"last": event.name}


def _is_declined(context: FrozenDict, event: Event) -> bool:
    return isinstance(event.data, dict) and event.data.get("type") == "DeclinedError"


def _noted_delay(context: FrozenDict, event: Event) -> bool:
    return str(context.get("last")).startswith("after.")


GUARDS = {"yes": _yes, "no": _no, "is_even": _is_even}
ASSIGNS = {"count": _count, "reset": _reset}
_TIMED = {"note": _note, "is_declined": _is_declined, "noted_delay": _noted_delay}
FUNCTIONS: dict[str, Callable[..., Any]] = {**GUARDS, **ASSIGNS, "work": _work}
"""A function for every name that a generated chart may use."""

_KINDS = ["leaf", "compound", "parallel"]
_TAGS = [[], ["settled"], ["resolve", "info"], ["reject"]]
_ASSIGNS: list[list[str]] = [[], [], ["count"], ["reset", "count"]]
_EXTRAS: list[dict[str, Any]] = [
    {},
    {},
    {"conditions": ["is_even"]},
    {"conditions": ["yes", "is_even"], "assign": ["count"]},
    {"conditions": ["no"], "label": "never"},
    {"unless": ["is_even"], "before": ["count"], "after": ["reset"]},
    {"unless": ["no", "no"], "prepare": ["count"], "label": "a label"},
    {"conditions": ["yes"], "unless": ["is_even"], "assign": ["reset", "count"]},
    {"assign": ["count"]},
]
_RETRIES: list[Any] = [
    None,
    None,
    None,
    2,
    {"attempts": 3, "seconds": 0, "errors": ["OSError"]},
    [{"errors": ["Busy"]}, {"attempts": 2, "seconds": 0.25, "jitter": 1, "seed": 7}],
]
_assigns = st.sampled_from(_ASSIGNS)
_extras = st.sampled_from(_EXTRAS)
_tags = st.sampled_from(_TAGS)
_inputs = st.sampled_from([None, 5, {"a": [1, None]}])
_retries = st.sampled_from(_RETRIES)


def _targets(dests: Sequence[str], *, most: int = 2) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Transitions to one of `dests`, or internal ones."""
    return _targets_of(tuple(dests), most)


@cache  # a strategy takes much longer to make than to draw from
def _targets_of(dests: tuple[str, ...], most: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    pair = st.tuples(st.sampled_from([*dests, None]), _extras)
    return st.lists(pair.map(lambda each: {"dest": each[0], **each[1]}), min_size=1, max_size=most)


@st.composite
def _node(
    draw: st.DrawFn, name: str, dests: list[str], *, tagged: bool, resting: bool = False
) -> dict[str, Any]:
    """A leaf; `tagged` says that a state around it has a settling tag.

    `resting` says that a settled state may have delays.
    """
    spec: dict[str, Any] = {"name": name}
    kind = draw(st.sampled_from(("plain", "plain", "busy", "final")))
    if kind == "final":
        return {**spec, "final": True, "on_final": draw(_assigns)}
    if draw(st.booleans()):
        spec |= {"on_enter": draw(_assigns), "on_exit": draw(_assigns), "label": "a node"}
    if kind == "plain" or tagged:
        if resting and draw(st.booleans()):
            spec["after"] = {"60": draw(_targets(dests)), "90": draw(_targets(dests))}
        return {**spec, "tags": draw(_tags)}
    spec["invoke"] = {
        "src": "work",
        "input": draw(_inputs),
        "on_done": draw(_targets(dests)),
        "on_error": draw(_targets(dests)),
        "timeout": draw(st.sampled_from((None, 1, 2.5))),
        "retry": draw(_retries),
    }
    if draw(st.booleans()):
        spec["after"] = {"0.5": draw(_targets(dests)), "3": draw(_targets(dests))}
    if draw(st.booleans()):
        spec["always"] = draw(_targets(dests, most=1))
    return spec


@st.composite
def _compound(draw: st.DrawFn, name: str, roots: list[str], *, resting: bool) -> dict[str, Any]:
    locals_ = [f"{name}_{index}" for index in range(draw(st.integers(1, 3)))]
    tagged = draw(st.booleans())
    children = [draw(_node(local, roots, tagged=tagged, resting=resting)) for local in locals_]
    spec = {"name": name, "children": children, "tags": ["settled"] if tagged else []}
    if draw(st.booleans()):
        spec["initial"] = draw(st.sampled_from(locals_))
    if draw(st.booleans()):
        spec["on_done"] = draw(_targets(roots))
    return spec


@st.composite
def _parallel(draw: st.DrawFn, name: str, *, resting: bool) -> dict[str, Any]:
    """A parallel state without transitions that leave a region."""
    regions = []
    for region in range(draw(st.integers(1, 2))):
        locals_ = [f"r{region}a", f"r{region}b"]
        paths = [f"{name}.r{region}.{local}" for local in locals_]
        children = [draw(_node(local, paths, tagged=False, resting=resting)) for local in locals_]
        regions.append({"name": f"r{region}", "children": children, "initial": locals_[0]})
    return {"name": name, "parallel": regions}


# --- semantics="scxml" ----------------------------------------------------------------------

SCXML_EVENTS = ("A", "A.b", "A.b.c", "B", "C")
"""Events of charts with the semantics of SCXML; their descriptors match some of them."""
_DESCRIPTORS = ["A", "A.b", "A.*", "B", "B", "C", "*"]
_WITHOUT_PREPARE = [each for each in _EXTRAS if "prepare" not in each]


@st.composite
def _scxml_state(
    draw: st.DrawFn, path: str, depth: int, *, tagged: bool, resting: bool
) -> dict[str, Any]:
    """A state, and what is inside it; targets are chosen when all states are known."""
    spec: dict[str, Any] = {"name": path.rpartition(".")[2], "on_enter": draw(_assigns)}
    kind = draw(st.sampled_from(["leaf", "leaf", "compound", "parallel"][: 1 if depth > 2 else 4]))
    if kind == "leaf":
        if draw(st.integers(0, 4)) == 0:
            return {**spec, "final": True, "on_final": draw(_assigns)}
        spec |= {"on_exit": draw(_assigns)}
        if tagged or draw(st.integers(0, 2)):
            return {**spec, "tags": draw(_tags), "rests": resting}
        return {**spec, "works": True}
    tagged = tagged or draw(st.booleans())
    names = [f"{path}.{depth}{letter}" for letter in "abc"[: draw(st.integers(1, 3))]]
    children = [
        draw(_scxml_state(name, depth + 1, tagged=tagged, resting=resting)) for name in names
    ]
    if draw(st.integers(0, 2)) == 0:
        kinds = st.sampled_from(["shallow", "deep"])
        children.insert(draw(st.integers(0, 1)), {"name": "back", "history": draw(kinds)})
    spec["tags"] = ["settled"] if tagged else []
    return {**spec, "parallel" if kind == "parallel" else "children": children}


def _paths(states: list[dict[str, Any]], prefix: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Full names with their states, in document order."""
    found = []
    for state in states:
        path = prefix + state["name"]
        inside = state.get("children") or state.get("parallel") or []
        found += [(path, state), *_paths(inside, f"{path}.")]
    return found


@st.composite
def _scxml_target(
    draw: st.DrawFn, names: list[str], parallels: list[list[list[str]]]
) -> dict[str, Any]:
    """A target: one state, one in each region of a parallel state, or none."""
    extra = draw(st.sampled_from(_WITHOUT_PREPARE))
    if parallels and draw(st.integers(0, 4)) == 0:
        regions = draw(st.sampled_from(parallels))
        return {"dest": [draw(st.sampled_from(each)) for each in regions], **extra}
    dest = draw(st.sampled_from([*names, None]))
    internal = dest is not None and draw(st.integers(0, 3)) == 0
    return {"dest": dest, **({"internal": True} if internal else {}), **extra}


@st.composite
def scxml_records(draw: st.DrawFn, *, resting: bool = False) -> dict[str, Any]:
    """Mappings of charts with the semantics of SCXML.

    History states, transitions between regions and to several states, and event descriptors.
    """
    roots = [f"s{index}" for index in range(draw(st.integers(1, 3)))]
    states = [draw(_scxml_state(name, 1, tagged=False, resting=resting)) for name in roots]
    known = _paths(states)
    names = [path for path, _ in known]
    places = [path for path, state in known if not (state.get("final") or "history" in state)]
    parallels = [
        [
            [each for each in names if each == region or each.startswith(f"{region}.")]
            for region in (f"{path}.{child['name']}" for child in state["parallel"])
            if not region.endswith(".back")
        ]
        for path, state in known
        if "parallel" in state
    ]
    target = _scxml_target(names, parallels)
    some = st.lists(target, min_size=1, max_size=2)
    for _, state in known:
        if state.pop("works", False):
            state["invoke"] = {"src": "work", "on_done": draw(some), "on_error": draw(some)}
            if draw(st.booleans()):
                state["after"] = {"0.5": draw(some)}
        if state.pop("rests", False) and draw(st.booleans()):
            state["after"] = {"60": draw(some)}
        if ("children" in state or "parallel" in state) and draw(st.booleans()):
            state["on_done"] = draw(some)
    transitions = [
        {
            "trigger": draw(st.sampled_from(_DESCRIPTORS)),
            "source": draw(st.sampled_from(places)),
            **draw(target),
        }
        for _ in range(draw(st.integers(1, 6)) if places else 0)
    ]
    return {
        "name": "generated",
        "semantics": "scxml",
        "initial": draw(st.sampled_from([path for path in names if not path.endswith("back")])),
        "context": draw(st.sampled_from([{}, {"n": 1}])),
        "on_reject": draw(st.sampled_from(["discard", "persist"])),
        "states": states,
        "transitions": transitions,
    }


# --- any chart ------------------------------------------------------------------------------


@st.composite
def chart_records(
    draw: st.DrawFn, *, nested: bool | None = None, resting: bool = False
) -> dict[str, Any]:
    """Mappings that `Chart.from_dict` reads; the parameters are those of `charts`."""
    roots = [f"s{index}" for index in range(draw(st.integers(1, 4)))]
    states: list[dict[str, Any]] = []
    for index, name in enumerate(roots):
        kinds = _KINDS[:1] if nested is False else _KINDS
        kind = draw(st.sampled_from(_KINDS[1:] if nested and index == 0 else kinds))
        if kind == "compound":
            states.append(draw(_compound(name, roots, resting=resting)))
        elif kind == "parallel":
            states.append(draw(_parallel(name, resting=resting)))
        else:
            states.append(draw(_node(name, roots, tagged=False, resting=resting)))
    sources = [each["name"] for each in states if not each.get("final")]
    transitions = []
    for _ in range(draw(st.integers(0, 6)) if sources else 0):
        target = draw(_targets(roots, most=1))[0]
        trigger = draw(st.sampled_from(TRIGGERS))
        transitions.append({"trigger": trigger, "source": draw(st.sampled_from(sources)), **target})
    return {
        "name": "generated",
        "version": draw(st.integers(1, 3)),
        "initial": draw(st.sampled_from(roots)),
        "context": draw(st.sampled_from([{}, {"n": 1}, {"n": 0, "list": [{"a": None}]}])),
        "secret": draw(st.sampled_from([[], ["pin"]])),
        "on_reject": draw(st.sampled_from(["discard", "persist"])),
        "states": states,
        "transitions": transitions,
    }


def charts(
    *,
    nested: bool | None = None,
    bound: bool = False,
    resting: bool = False,
    semantics: str | None = None,
) -> st.SearchStrategy[Chart]:
    """Valid charts: guards, assigns, services, delays, eventless transitions, regions.

    Parameters
    ----------
    nested : whether nodes have children; None for either
    bound : whether functions are bound
    resting : whether settled states may have delays too
    semantics : whose rules say which transitions fire; None for either, if `nested` is None
    """

    def build(record: dict[str, Any]) -> Chart:
        chart = Chart.from_dict(record)
        if not bound:
            return chart
        return chart.bind({name: FUNCTIONS[name] for name in chart.roles})

    ours = chart_records(nested=nested, resting=resting).map(build)
    scxml = scxml_records(resting=resting).map(build)
    if semantics is None and nested is None:
        return ours | scxml
    return scxml if semantics == "scxml" else ours


@st.composite
def timed_charts(draw: st.DrawFn) -> Chart:
    """Charts that may record what came last, and guard by the kind of error; services are unbound.

    Each invocation has a service of its own: ``service0``, ``service1``, ... No two delays are
    equal, so that nothing happens at the same time by chance.
    """
    record = draw(chart_records(resting=True))
    record["states"].append({"name": "s9", "tags": ["settled"]})
    services = delays = 0
    nodes = list(record["states"])
    for node in nodes:  # the list grows during the loop
        nodes += [*node.get("children", ()), *node.get("parallel", ())]
        for seconds, targets in list(node.get("after", {}).items()):
            _noting(draw, targets)
            _forward(draw, node["name"], targets)
            delays += 1
            long = _DELAYS[seconds] * (1 + 0.013 * sqrt(delays * delays + delays + 1))
            node["after"][f"{long:.6f}"] = node["after"].pop(seconds)
        if "invoke" in node:
            invoke = node["invoke"]
            invoke["src"] = f"service{services}"
            invoke["timeout"] = None
            services += 1
            for targets in (invoke["on_done"], invoke["on_error"]):
                _noting(draw, targets)
                _forward(draw, node["name"], targets)
            if draw(st.booleans()):
                first = dict(invoke["on_error"][0])
                first["conditions"] = [*first.get("conditions", []), "is_declined"]
                invoke["on_error"] = [first, *invoke["on_error"]]
        if "always" in node and draw(st.booleans()):
            node["always"][0] = {**node["always"][0], "conditions": ["noted_delay"]}
    chart = Chart.from_dict(record)
    known = {**FUNCTIONS, **_TIMED}
    return chart.bind({name: known[name] for name in chart.roles if name in known})


def _forward(draw: st.DrawFn, name: str, targets: list[dict[str, Any]]) -> None:
    """Make most transitions lead forward: a chart with many cycles takes long, and shows little."""
    for index, target in enumerate(targets):
        dest = target["dest"]
        if dest is None or dest.rpartition(".")[2] > name or draw(st.integers(0, 5)) == 0:
            continue
        inside = f"{dest[:-1]}b" if name.endswith("a") else None
        targets[index] = {**target, "dest": inside if "." in dest else "s9"}


_DELAYS = {"0.5": 7.0, "3": 20.0, "60": 60.0, "90": 90.0}
"""The approximate length of the delays in timed charts."""


def _noting(draw: st.DrawFn, targets: list[dict[str, Any]]) -> None:
    """Let some transitions record what triggered them."""
    for index, target in enumerate(targets):
        if draw(st.booleans()):
            targets[index] = {**target, "assign": [*target.get("assign", []), "note"]}


@st.composite
def flat_charts(draw: st.DrawFn) -> Chart:
    """Flat charts with only events and constant guards, without assigns."""
    names = [f"s_{index}" for index in range(draw(st.integers(1, 4)))]
    transitions: list[Any] = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "trigger": st.sampled_from(TRIGGERS),
                    "source": st.sampled_from(names) | st.just("*"),
                    "dest": st.sampled_from(names) | st.none() | st.just("="),
                },
                optional={
                    "conditions": st.lists(st.sampled_from(["yes", "no"]), max_size=2),
                    "unless": st.lists(st.sampled_from(["yes", "no"]), max_size=2),
                },
            ),
            max_size=10,
        )
    )
    return Chart(names, transitions, draw(st.sampled_from(names)))
