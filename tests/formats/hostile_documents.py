"""Documents from people who mean ill, one generator for each format and each kind of malice."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

__all__ = ["DOCUMENTS", "named_document"]

_MANY: Final = 10_000


def _xstate(states: dict[str, Any], **more: Any) -> str:
    return json.dumps({"id": "m", "initial": next(iter(states)), "states": states, **more})


def _scxml(inside: str) -> str:
    return f'<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0">{inside}</scxml>'


def _asl(states: dict[str, Any]) -> str:
    return json.dumps({"StartAt": next(iter(states)), "States": states})


def _mermaid(*lines: str) -> str:
    return "\n".join(["stateDiagram-v2", *lines])


def _nested_xstate(depth: int) -> str:
    return '{"initial":"a","states":{"a":' * depth + "{}" + "}}" * depth


def _entities() -> str:
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    return f'<!DOCTYPE x [<!ENTITY e0 "x">{lines}]>{_scxml("&e11;")}'


def _aliases() -> str:
    lines = [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(["statechart:", "  a0: &a0 [x]", *lines])


def _guards(depth: int) -> str:
    guard: Any = "g"
    for index in range(depth):
        guard = {"type": "and", "guards": [{"type": "or", "guards": [f"a{index}", guard]}, "b"]}
    return _xstate({"a": {"on": {"E": {"target": "a", "guard": guard}}}})


def _wide_guard() -> str:
    ors = [{"type": "or", "guards": [f"a{n}", f"b{n}"]} for n in range(30)]
    return _xstate({"a": {"on": {"E": {"target": "a", "guard": {"type": "and", "guards": ors}}}}})


DOCUMENTS: Final[dict[str, Callable[[], str]]] = {
    "xstate: 10,000 states": lambda: _xstate({f"s{n}": {} for n in range(_MANY)}),
    "xstate: 4,000 states, each to the next": lambda: _xstate(
        {f"s{n}": {"on": {"E": f"s{n - 1}" if n else "s0"}} for n in range(4_000)}
    ),
    "xstate: 60,000 transitions": lambda: _xstate(
        {"a": {"on": {f"E{n}": "a" for n in range(60_000)}}}
    ),
    "xstate: 2,000 levels": lambda: _nested_xstate(2_000),
    "xstate: 60 levels": lambda: _nested_xstate(60),
    "xstate: ids in a circle": lambda: _xstate(
        {"a": {"id": "b", "on": {"E": "#b.b.b"}}, "b": {"id": "a", "initial": "#a", "states": {}}}
    ),
    "xstate: an initial state outside": lambda: _xstate(
        {"a": {"initial": "#m", "states": {"x": {}}}}
    ),
    "xstate: deep guards": lambda: _guards(60),
    "xstate: a guard of 2 to the 30 alternatives": _wide_guard,
    "xstate: a delay of 1e400": lambda: _xstate({"a": {"after": {"1e400": "a"}}}),
    "xstate: 300,000 unknown keys": lambda: _xstate({"a": {f"k{n}": 1 for n in range(60_000)}}),
    "xstate: 2 MB": lambda: _xstate({"a": {"description": "x" * 2_000_000}}),
    "xstate: surrogates": lambda: _xstate({"a": {"on": {"\ud800": "\ud800"}}}),
    "asl: 10,000 states": lambda: _asl({f"s{n}": {"Type": "Succeed"} for n in range(_MANY)}),
    "asl: every state to itself": lambda: _asl(
        {f"s{n}": {"Type": "Pass", "Next": f"s{n}"} for n in range(4_000)}
    ),
    "asl: deep conditions": lambda: _asl(
        {"a": {"Type": "Choice", "Choices": [json.loads('{"Not":' * 60 + "{}" + "}" * 60)]}}
    ),
    "scxml: entities": _entities,
    "scxml: an outer entity": lambda: (
        f'<!DOCTYPE x [<!ENTITY e SYSTEM "/etc/passwd">]>{_scxml("&e;")}'
    ),
    "scxml: 10,000 states": lambda: _scxml("".join(f'<state id="s{n}"/>' for n in range(_MANY))),
    "scxml: 100,000 levels": lambda: "<scxml>" + "<state>" * 100_000,
    "scxml: 60 levels": lambda: _scxml("<state>" * 60 + "</state>" * 60),
    "scxml: ids in a circle": lambda: _scxml(
        '<state id="a" initial="b"/><state id="b" initial="a"><history id="c"><transition '
        'target="c"/></history></state>'
    ),
    "xstate: a transition to 2,000 regions": lambda: _xstate(
        {
            "a": {"on": {"E": {"target": [f"p.r{n}.x" for n in range(2_000)]}}},
            "p": {
                "type": "parallel",
                "states": {f"r{n}": {"initial": "x", "states": {"x": {}}} for n in range(2_000)},
            },
        }
    ),
    "scxml: 20,000 targets": lambda: _scxml(
        f'<state id="a"><transition event="E" target="{"a " * 20_000}"/></state>'
    ),
    "mermaid: 10,000 states": lambda: _mermaid(*(f"s{n}" for n in range(_MANY))),
    "mermaid: 30,000 arrows": lambda: _mermaid("[*] --> a", *["a --> b : E"] * 30_000),
    "mermaid: states that move": lambda: _mermaid(
        *(f"s{n}" for n in range(4_000)), "state x {", *(f"state s{n}" for n in range(4_000)), "}"
    ),
    "mermaid: open braces": lambda: _mermaid(*(f"state s{n} {{" for n in range(_MANY))),
    "mermaid: fences": lambda: "```mermaid\n" * 60_000 + "stateDiagram-v2\na",
    "mermaid: one long line": lambda: _mermaid("a --> b : " + "[ / " * 200_000),
    "mermaid: blanks": lambda: _mermaid("a" + " " * 500_000 + "b"),
    "mermaid: dashes": lambda: _mermaid("a" + "-a" * 300_000),
    "sismic: aliases": _aliases,
    "sismic: 10,000 states": lambda: (
        "statechart:\n  root state:\n    name: r\n    states:\n"
        + "".join(f"      - name: s{n}\n" for n in range(_MANY))
    ),
    "sismic: levels": lambda: "statechart: " + "{a: " * 5_000,
    "sismic: a tag": lambda: "statechart: !!python/object/apply:os.system ['true']",
    "markup: 10,000 states": lambda: json.dumps(
        {"states": [f"s{n}" for n in range(_MANY)], "initial": "s0", "queued": False}
    ),
}
"""By what they are: each has to end in a chart or in a clear error, soon and in little memory."""


def named_document(format_: str, name: str) -> str:
    """Return a document in which every name is this one."""
    escaped = "".join(f"&#{ord(each)};" for each in name)
    documents: dict[str, str] = {
        "xstate": json.dumps(
            {
                "id": name,
                "initial": name,
                "states": {
                    name: {"on": {name: {"target": "other", "guard": name, "actions": name}}},
                    "other": {"invoke": {"src": name, "id": name}, "tags": [name]},
                },
            }
        ),
        "asl": _asl(
            {
                name: {"Type": "Task", "Resource": name, "Next": "c"},
                "c": {"Type": "Choice", "Choices": [{"Condition": name, "Next": name}]},
            }
        ),
        "scxml": _scxml(
            f'<state id="a"><invoke src="{escaped}"/><transition event="x" cond="{escaped}" '
            'target="b"/></state>'
            f'<state xmlns:s="urn:settlesim:1" id="b" s:name="{escaped}"/>'
        ),
        "mermaid": _mermaid(
            f'state "{_numbers(name)}" as a', "[*] --> a",
            f"a --> b : {_numbers(name)} [{_numbers(name)}] / {_numbers(name)}",
        ),
        "sismic": json.dumps(
            {
                "statechart": {
                    "name": name,
                    "root state": {
                        "name": name,
                        "transitions": [{"event": name, "guard": name}],
                    },
                }
            }
        ),
        "markup": json.dumps(
            {
                "states": [{"name": name, "label": name}],
                "transitions": [{"trigger": name, "source": name, "dest": name}],
                "initial": name,
                "queued": False,
            }
        ),
    }  # fmt: skip
    return documents[format_]


def _numbers(text: str) -> str:
    return "".join(f"#{ord(each)};" for each in text)
