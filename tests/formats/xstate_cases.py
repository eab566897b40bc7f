"""Small XState configurations, one for each key and trap, with what a chart makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.formats.lines import tree

__all__ = ["CASES", "Case"]


@dataclass(frozen=True)
class Case:
    """A configuration and the chart that is expected of it."""

    name: str
    config: dict[str, Any]
    edges: list[str]
    states: list[str] | None = None
    lost: dict[str, int] = field(default_factory=dict)
    """How many things of each kind are named as lost."""


def _on(**events: Any) -> dict[str, Any]:
    return {"on": events}


_V4 = {"predictableActionArguments": True}

CASES = [
    # --- on: events and targets
    Case("event to a sibling", tree(a=_on(E="b"), b={}), ["a -E-> b"]),
    Case("event as an object", tree(a=_on(E={"target": "b"}), b={}), ["a -E-> b"]),
    Case(
        "event with candidates",
        tree(a=_on(E=[{"target": "b", "guard": "g"}, {"target": "c"}]), b={}, c={}),
        ["a -E[g]-> b", "a -E-> c"],
    ),
    Case("candidates as texts", tree(a=_on(E=["b"]), b={}), ["a -E-> b"]),
    Case("event with a blank", tree(a={"on": {"go on": "b"}}, b={}), ["a -go on-> b"]),
    Case("event with a dot", tree(a={"on": {"video.ended": "b"}}, b={}), ["a -video.ended-> b"]),
    Case("event without a target", tree(a=_on(E={"actions": "x"})), ["a -E-> None / x"]),
    Case("forbidden event", tree(a=_on(E=None)), ["a -E-> None"]),
    Case("empty object forbids, too", tree(a=_on(E={})), ["a -E-> None"]),
    Case("no candidates", tree(a=_on(E=[])), []),
    Case("target in a list", tree(a=_on(E={"target": ["b"]}), b={}), ["a -E-> b"]),
    Case(
        "target by id",
        tree(a=_on(E="#there"), b={"initial": "c", "states": {"c": {"id": "there"}}}),
        ["a -E-> b.c"],
    ),
    Case(
        "target by id and path",
        tree(
            a=_on(E="#box.c.d"),
            b={"id": "box", "initial": "c", "states": {"c": {"initial": "d", "states": {"d": {}}}}},
        ),
        ["a -E-> b.c.d"],
    ),
    Case("target by the machine's id", tree(a=_on(E="#m.b"), b={}), ["a -E-> b"]),
    Case("target is the machine", tree(a={}, b=_on(E="#m")), ["b -E-> a"]),
    Case(
        "id with a dot",
        tree(a=_on(E="#x.y"), b={"id": "x.y"}),
        ["a -E-> b"],
    ),
    Case(
        "relative target",
        tree(a={"on": {"E": ".c"}, "initial": "b", "states": {"b": {}, "c": {}}}),
        ["a -E~> a.c"],
    ),
    Case(
        "path through a sibling",
        tree(a=_on(E="b.d"), b={"initial": "c", "states": {"c": {}, "d": {}}}),
        ["a -E-> b.d"],
    ),
    Case(
        "escaped dot in a target",
        tree(a=_on(E="b\\.c"), **{"b.c": {}}),
        ["a -E-> b_c"],
        lost={"renamed state": 1},
    ),
    Case(
        "states with dots keep apart",
        tree(a={}, **{"a.b": {}, "a_b": {}}),
        [],
        ["a", "a_b_2", "a_b"],
        {"renamed state": 1},
    ),
    Case(
        "state names that mean others",
        tree(**{"*": _on(E="="), "=": {}}),
        ["state_0 -E-> state_1"],
        lost={"renamed state": 2},
    ),
    # --- self-targets
    Case("self-target of a leaf is internal", tree(a=_on(E="a")), ["a -E-> None"]),
    Case(
        "reenter leaves and enters", tree(a=_on(E={"target": "a", "reenter": True})), ["a -E-> a"]
    ),
    Case(
        "self-target enters the initial child anew",
        tree(a={"on": {"E": "a"}, "initial": "b", "states": {"b": _on(F="c"), "c": {}}}),
        ["a -E~> a", "a.b -F-> a.c"],
    ),
    Case("v4: self-target is external", tree(a=_on(E="a")) | _V4, ["a -E-> a"]),
    Case("v4: unless internal", tree(a=_on(E={"target": "a", "internal": True})), ["a -E-> None"]),
    Case(
        "v4: a relative target is internal",
        tree(a={"on": {"E": ".b"}, "initial": "b", "states": {"b": {}}}) | _V4,
        ["a -E~> a.b"],
    ),
    Case(
        "reenter into what is inside",
        tree(
            a={
                "on": {"E": {"target": ".c", "reenter": True}},
                "initial": "b",
                "states": {"b": {}, "c": {}},
            }
        ),
        ["a -E-> a.c"],
    ),
    Case(
        "a parent's target is entered anew",
        tree(a={"initial": "b", "states": {"b": _on(E="#m.a")}}),
        ["a.b -E-> a"],
    ),
    # --- history, several targets, descriptors, regions
    Case(
        "shallow history",
        tree(
            a={"initial": "b", "on": {"E": "c"}, "states": {"b": {}, "h": {"type": "history"}}},
            c=_on(E="a.h"),
        ),
        ["a -E-> c", "c -E-> a.h"],
        ["a compound -> a.b", "a.b", "a.h history", "c"],
    ),
    Case(
        "deep history with a target",
        tree(
            a={
                "initial": "b",
                "states": {"b": {}, "h": {"type": "history", "history": "deep", "target": "b"}},
            },
            c=_on(E="#m.a.h"),
        ),
        ["c -E-> a.h"],
    ),
    Case(
        "history of a state around",
        tree(
            a={
                "initial": "b",
                "on": {"OUT": "c"},
                "states": {
                    "h": {"type": "history", "history": "deep"},
                    "b": {
                        "initial": "x",
                        "entry": "f",
                        "states": {"x": _on(E="#m.a.h", GO="y"), "y": _on(E="#m.a.h")},
                    },
                },
            },
            c=_on(E="a"),
        ),
        [
            "a -OUT-> c",
            "a.b.x -E-> a.h",
            "a.b.x -GO-> a.b.y",
            "a.b.y -E-> a.h",
            "c -E-> a",
        ],
        lost={"history from inside": 2},
    ),
    Case(
        "history of the root, which is never left",
        tree(a={}, b=_on(E="h"), h={"type": "history"}),
        ["b -E-> a"],
        ["a", "b"],
    ),
    Case(
        "several targets",
        tree(
            a=_on(E={"target": ["p.q.y", "p.r.y"]}),
            p={
                "type": "parallel",
                "states": {
                    "q": {"initial": "x", "states": {"x": {}, "y": {}}},
                    "r": {"initial": "x", "states": {"x": {}, "y": {}}},
                },
            },
        ),
        ["a -E-> p.q.y & p.r.y"],
    ),
    Case(
        "wildcards come last, the longest first",
        tree(a={"on": {"*": "b", "x.*": "c", "x.y": "a"}}, b={}, c={}),
        ["a -x.y-> None", "a -x.*-> c", "a -*-> b"],
    ),
    Case(
        "a wildcard beside a guarded transition",
        tree(a={"on": {"E": {"target": "b", "guard": "g"}, "*": "b"}}, b={}),
        ["a -E[g]-> b", "a -*-> b"],
        lost={"wildcard order": 1},
    ),
    Case(
        "from one region to another",
        tree(
            p={
                "type": "parallel",
                "states": {
                    "q": {"initial": "x", "states": {"x": _on(E="#m.p.r.y"), "y": {}}},
                    "r": {"initial": "x", "states": {"x": {}, "y": {}}},
                },
            }
        ),
        ["p.q.x -E-> p.r.y"],
        lost={"region to region": 1},
    ),
    Case(
        "two regions take one event, and one of them leaves",
        tree(
            p={
                "type": "parallel",
                "states": {
                    "q": {"initial": "x", "states": {"x": _on(E="#m.c")}},
                    "r": {"initial": "x", "states": {"x": _on(E="y"), "y": {}}},
                },
            },
            c={},
        ),
        ["p.q.x -E-> c", "p.r.x -E-> p.r.y"],
    ),
    Case(
        "a parallel state with an event of its regions",
        tree(
            p={
                "type": "parallel",
                "on": {"E": {"actions": "f"}, "F": {"target": "p"}},
                "states": {"q": {"initial": "x", "states": {"x": _on(E="y"), "y": {}}}, "r": {}},
            }
        ),
        ["p -E-> None / f", "p -F~> p", "p.q.x -E-> p.q.y"],
        lost={"region order": 1},
    ),
    # --- guards
    Case("guard", tree(a=_on(E={"target": "b", "guard": "g"}), b={}), ["a -E[g]-> b"]),
    Case("v4: cond", tree(a=_on(E={"target": "b", "cond": "g"}), b={}), ["a -E[g]-> b"]),
    Case(
        "guard with a type",
        tree(a=_on(E={"target": "b", "guard": {"type": "g"}}), b={}),
        ["a -E[g]-> b"],
    ),
    Case(
        "guard with parameters",
        tree(a=_on(E={"target": "b", "guard": {"type": "g", "params": {"n": 1}}}), b={}),
        ["a -E[g]-> b"],
        lost={"guard parameters": 1},
    ),
    Case(
        "not",
        tree(a=_on(E={"target": "b", "guard": {"type": "not", "guards": ["g"]}}), b={}),
        ["a -E[not g]-> b"],
    ),
    Case(
        "and",
        tree(a=_on(E={"target": "b", "guard": {"type": "xstate.and", "guards": ["g", "h"]}}), b={}),
        ["a -E[g and h]-> b"],
    ),
    Case(
        "or becomes two candidates",
        tree(a=_on(E={"target": "b", "guard": {"type": "or", "guards": ["g", "h"]}}), b={}),
        ["a -E[g]-> b", "a -E[h]-> b"],
    ),
    Case(
        "not of or",
        tree(
            a=_on(
                E={
                    "target": "b",
                    "guard": {"type": "not", "guards": [{"type": "or", "guards": ["g", "h"]}]},
                }
            ),
            b={},
        ),
        ["a -E[not g and not h]-> b"],
    ),
    Case(
        "not of and",
        tree(
            a=_on(
                E={
                    "target": "b",
                    "guard": {
                        "type": "not",
                        "params": {"guard": {"type": "and", "guards": ["g", "h"]}},
                    },
                }
            ),
            b={},
        ),
        ["a -E[not g]-> b", "a -E[not h]-> b"],
    ),
    Case(
        "stateIn",
        tree(
            a=_on(
                E={"target": "b", "guard": {"type": "xstate.stateIn", "params": {"state": "#m.b"}}}
            ),
            b={},
        ),
        ["a -E[In(b)]-> b"],
    ),
    Case("v4: in", tree(a=_on(E={"target": "b", "in": "#m.b"}), b={}), ["a -E[In(b)]-> b"]),
    Case("in the machine itself", tree(a=_on(E={"target": "b", "in": "#m"}), b={}), ["a -E-> b"]),
    Case(
        "in no state",
        tree(a=_on(E={"target": "b", "in": "#x"}), b={}),
        ["a -E[in #x]-> b"],
        lost={"guard": 1},
    ),
    Case(
        "guard that is no name",
        tree(a=_on(E={"target": "b", "guard": 7}), b={}),
        ["a -E[guard of a on 'E']-> b"],
        lost={"guard": 1},
    ),
    # --- actions
    Case(
        "actions of every shape",
        tree(a=_on(E={"actions": ["x", {"type": "y"}, {"type": "z", "params": {"n": 1}}]})),
        ["a -E-> None / x, y, z"],
        lost={"action parameters": 1},
    ),
    Case(
        "built-in actions",
        tree(
            a=_on(
                E={
                    "actions": [
                        {"type": "xstate.assign", "assignment": {}},
                        {"type": "xstate.raise"},
                    ]
                }
            )
        ),
        ["a -E-> None"],
        lost={"built-in action": 2},
    ),
    Case("entry and exit", tree(a={"entry": ["x"], "exit": "y"}), [], ["a"]),
    Case(
        "one name as guard and as action",
        tree(a=_on(E={"target": "a", "guard": "g", "actions": "g"})),
        ["a -E[g]-> None / g_action"],
        lost={"renamed function": 1},
    ),
    # --- eventless, delays, final
    Case(
        "always",
        tree(a={"always": [{"target": "b", "guard": "g"}, "c"]}, b={}, c={}),
        ["a -[g]-> b", "a --> c"],
    ),
    Case("v4: the empty event", tree(a={"on": {"": "b"}}, b={}) | _V4, ["a --> b"]),
    Case("after", tree(a={"after": {"1500": "b"}}, b={}), ["a -after.a.0-> b"]),
    Case(
        "v4: after as a list",
        tree(a={"after": [{"delay": 1000, "target": "b"}, {"delay": "500", "target": "a"}]}, b={}),
        ["a -after.a.0-> b", "a -after.a.1-> None"],
    ),
    Case(
        "named delay",
        tree(a={"after": {"LONG": "b"}}, b={}),
        ["a -after.a.0-> b"],
        lost={"named delay": 1},
    ),
    Case(
        "two delays of one length",
        tree(a={"after": {"1000": "b", "1000.0": "c"}}, b={}, c={}),
        ["a -after.a.0-> b", "a -after.a.0-> c"],
    ),
    Case("delay of nothing", tree(a={"after": {"0": "b"}}, b={}), ["a -after.a.0-> b"]),
    Case(
        "final, output",
        tree(a=_on(E="b"), b={"type": "final", "output": {"n": 1}}),
        ["a -E-> b"],
        ["a", "b final"],
        {"output": 1},
    ),
    Case(
        "transitions of a final state",
        tree(a=_on(E="b"), b={"type": "final", **_on(E="a")}),
        ["a -E-> b"],
        lost={"final": 1},
    ),
    Case(
        "states inside a final state",
        tree(a=_on(E="b"), b={"type": "final", "states": {"c": {}}}),
        ["a -E-> b"],
        ["a", "b final"],
        {"final": 1},
    ),
    Case(
        "onDone of a state",
        tree(a={"initial": "b", "onDone": "c", "states": {"b": {"type": "final"}}}, c={}),
        ["a -done.state.a-> c"],
    ),
    # --- invoke
    Case(
        "invoke",
        tree(
            a={"invoke": {"src": "s", "onDone": "b", "onError": {"target": "a", "actions": "x"}}},
            b={},
        ),
        ["a -done.invoke.a.0-> b", "a -error.invoke.a.0-> None / x"],
    ),
    Case("invoke as a text", tree(a={"invoke": "s"}), []),
    Case(
        "invoke twice",
        tree(a={"invoke": [{"src": "s", "onDone": "b"}, {"src": "t", "onDone": "b"}]}, b={}),
        ["a -done.invoke.a.0-> b", "a -done.invoke.a.1-> b"],
    ),
    Case(
        "invoke with candidates",
        tree(
            a={"invoke": {"src": "s", "onDone": [{"target": "b", "guard": "g"}, "c"]}}, b={}, c={}
        ),
        ["a -done.invoke.a.0[g]-> b", "a -done.invoke.a.0-> c"],
    ),
    Case(
        "invoke of a machine",
        tree(a={"invoke": {"src": {"initial": "x"}, "id": "child", "onDone": "b"}}, b={}),
        ["a -done.invoke.a.0-> b"],
        lost={"inline service": 1},
    ),
    Case(
        "done.invoke written as an event",
        tree(
            a={
                "invoke": {"src": "s", "id": "i"},
                "on": {"done.invoke.i": "b", "error.platform.i": "a"},
            },
            b={},
        ),
        ["a -done.invoke.a.0-> b", "a -error.invoke.a.0-> None"],
    ),
    Case(
        "an event that only the engine sends",
        tree(a={"on": {"done.invoke.gone": "b"}}, b={}),
        [],
        lost={"reserved event": 1},
    ),
    Case(
        "an event with a reserved beginning",
        tree(a={"on": {"error.network": "b"}}, b={}),
        ["a -error_network-> b"],
        lost={"renamed event": 1},
    ),
    Case(
        "details of a service",
        tree(a={"invoke": {"src": "s", "systemId": "x", "onSnapshot": {"target": "a"}}}),
        [],
        lost={"service detail": 2},
    ),
    # --- the root
    Case(
        "on of the root comes last",
        tree(a=_on(E="b"), b={}) | {"on": {"E": ".a"}},
        ["a -E-> b", "a -E-> a", "b -E-> a"],
    ),
    Case(
        "root of type parallel",
        {"id": "m", "type": "parallel", "states": {"p": {}, "q": {}}},
        [],
        ["m parallel", "m.p", "m.q"],
    ),
    Case(
        "root with invoke",
        tree(a={}) | {"invoke": {"src": "s", "onError": ".a"}},
        ["m -error.invoke.m.0~> m.a"],
        ["m compound -> m.a", "m.a"],
    ),
    Case(
        "root with always, after, entry and exit",
        tree(a={}, b={})
        | {
            "always": {"target": ".b", "guard": "g"},
            "entry": "x",
            "exit": "y",
            "after": {"1000": ".a"},
        },
        ["m -[g]~> m.b", "m -after.m.0~> m.a"],
    ),
    Case(
        "root without states",
        {"id": "m", "on": {"E": {"actions": "x"}}},
        ["m -E-> None / x"],
        ["m"],
    ),
    Case(
        "root without initial",
        {"id": "m", "states": {"a": {}}, "on": {"E": ".a"}},
        ["m -E~> m.a"],
        ["m compound -> m.a", "m.a"],
    ),
    # --- nesting
    Case(
        "compound without initial",
        tree(a={"states": {"b": {}}, "on": {"E": ".b"}}),
        ["a -E~> a.b"],
        ["a compound -> a.b", "a.b"],
    ),
    Case(
        "parallel",
        tree(
            a={
                "type": "parallel",
                "onDone": "d",
                "states": {
                    "p": {"initial": "b", "states": {"b": _on(E="c"), "c": {"type": "final"}}},
                    "q": {"initial": "b", "states": {"b": _on(E="c"), "c": {"type": "final"}}},
                },
            },
            d={},
        ),
        ["a.p.b -E-> a.p.c", "a.q.b -E-> a.q.c", "a -done.state.a-> d"],
        [
            "a parallel",
            "a.p compound -> a.p.b",
            "a.p.b",
            "a.p.c final",
            "a.q compound -> a.q.b",
            "a.q.b",
            "a.q.c final",
            "d",
        ],
    ),
    Case(
        "initial as an object",
        {"id": "m", "initial": {"target": "a", "actions": ["x"]}, "states": {"a": {}}},
        [],
        lost={"initial transition": 1},
    ),
    Case(
        "a definition, as JSON.stringify(machine) gives it",
        {
            "id": "m",
            "key": "m",
            "version": None,
            "type": "compound",
            "order": -1,
            "initial": {"target": ["#m.a"], "source": "#m", "actions": [], "eventType": None},
            "history": False,
            "entry": [],
            "exit": [],
            "invoke": [],
            "tags": [],
            "on": {},
            "transitions": [],
            "states": {
                "a": {
                    "id": "m.a",
                    "key": "a",
                    "type": "atomic",
                    "order": 1,
                    "history": False,
                    "states": {},
                    "entry": [],
                    "exit": [],
                    "invoke": [],
                    "tags": [],
                    "transitions": [],
                    "on": {
                        "E": [
                            {
                                "target": ["#m.b"],
                                "source": "#m.a",
                                "actions": [],
                                "reenter": False,
                                "eventType": "E",
                            }
                        ]
                    },
                },
                "b": {"id": "m.b", "key": "b", "type": "final", "order": 2, "states": {}, "on": {}},
            },
        },
        ["a -E-> b"],
        ["a", "b final"],
    ),
    Case(
        "v4: a definition with a delay, a guard and a service",
        tree(
            a={
                "on": {
                    "": [{"target": ["#m.b"], "cond": {"type": "xstate.guard", "name": "g"}}],
                    "xstate.after(1000)#m.a": [{"target": ["#m.b"], "delay": 1000}],
                    "done.invoke.m.a:invocation[0]": [{"target": ["#m.b"], "internal": False}],
                },
                "entry": [{"type": "xstate.send", "delay": 1000}],
                "exit": [{"type": "xstate.cancel"}],
                "invoke": [{"src": {"type": "s"}, "id": "m.a:invocation[0]"}],
                "activities": [{"type": "xstate.invoke"}],
            },
            b={},
        ),
        ["a -[g]-> b", "a -done.invoke.a.0-> b", "a -after.a.0-> b"],
    ),
    Case(
        "v5: a definition with a delay and an end",
        tree(
            a={
                "initial": {"target": ["#m.a.c"], "source": "#m.a", "actions": []},
                "on": {
                    "xstate.after.1000.m.a": [{"target": ["#m.b"], "delay": 1000}],
                    "xstate.done.state.m.a": [{"target": ["#m.b"], "reenter": False}],
                },
                "entry": [{"type": "xstate.raise"}],
                "states": {"c": {"type": "final", "initial": {"target": [], "actions": []}}},
            },
            b={},
        ),
        ["a -after.a.0-> b", "a -done.state.a-> b"],
    ),
    Case(
        "descriptions and meta",
        tree(a={"description": "d", "meta": {"x": 1}}),
        [],
        lost={"description": 2},
    ),
    Case("a key without a meaning", tree(a={"colour": "red"}), [], lost={"key": 1}),
    Case("a context that is none", tree(a={}) | {"context": "function"}, [], lost={"context": 1}),
]
