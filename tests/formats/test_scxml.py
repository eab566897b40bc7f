"""SCXML documents come in with their structure; what is executable is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from settlesim import import_chart
from settlesim.errors import DefinitionError, ReadError
from tests.formats.lines import edge_lines, state_lines

pytest.importorskip("defusedxml")


@dataclass(frozen=True)
class Xml:
    """What stands in an ``scxml`` element, and what is expected of it."""

    name: str
    text: str
    edges: list[str]
    states: list[str] | None = None
    lost: dict[str, int] = field(default_factory=dict)


DOCUMENTS = [
    Xml(
        "states and transitions",
        '<state id="a"><transition event="E" target="b"/></state><final id="b"/>',
        ["a -E-> b"],
        ["a", "b final"],
    ),
    Xml(
        "nested, with the first child where none is named",
        '<state id="a"><state id="b"/><state id="c"/></state>',
        [],
        ["a compound -> a.b", "a.b", "a.c"],
    ),
    Xml(
        "initial as an element",
        '<state id="a"><initial><transition target="c"><log/></transition></initial>'
        '<state id="b"/><state id="c"/></state>',
        [],
        ["a compound -> a.c", "a.b", "a.c"],
        {"initial transition": 1},
    ),
    Xml(
        "several descriptors",
        '<state id="a"><transition event="E F.* *" target="b"/></state><state id="b"/>',
        ["a -E-> b", "a -F.*-> b", "a -*-> b"],
    ),
    Xml(
        "an event that begins like another one",
        '<state id="a"><transition event="E" target="b"/></state>'
        '<state id="b"><transition event="E.x" target="a"/></state>',
        ["a -E.*-> b", "b -E.x-> a"],
    ),
    Xml("no event", '<state id="a"><transition target="b"/></state><state id="b"/>', ["a --> b"]),
    Xml("no target", '<state id="a"><transition event="E"/></state>', ["a -E-> None"]),
    Xml(
        "internal",
        '<state id="a"><transition event="E" target="b" type="internal"/>'
        '<transition event="F" target="a" type="internal"/><state id="b"/></state>',
        ["a -E~> a.b", "a -F-> a"],
    ),
    Xml(
        "several targets, regions, history",
        '<state id="a"><transition event="E" target="q2 h"/></state><parallel id="p">'
        '<state id="q"><state id="q1"/><state id="q2"/></state>'
        '<state id="r"><history id="h" type="deep"><transition target="r2"/></history>'
        '<state id="r1"/><state id="r2"/></state></parallel>',
        ["a -E-> p.q.q2 & p.r.h"],
        [
            "a",
            "p parallel",
            "p.q compound -> p.q.q1",
            "p.q.q1",
            "p.q.q2",
            "p.r compound -> p.r.r1",
            "p.r.h history",
            "p.r.r1",
            "p.r.r2",
        ],
    ),
    Xml(
        "conditions",
        '<state id="a"><transition event="E" cond="In(\'b\') &amp;&amp; !ready()" target="b"/>'
        '<transition event="F" cond="x &gt; 5" target="b"/></state><state id="b"/>',
        ["a -E[In(b) and not ready]-> b", "a -F[x > 5]-> b"],
        lost={"expression": 1},
    ),
    Xml(
        "functions and code",
        '<state id="a"><onentry><script>f()</script><script>x = 1</script></onentry>'
        '<onexit><assign location="x" expr="1"/><log expr="x"/></onexit>'
        '<transition event="E"><script>call("g h");</script><raise event="x"/></transition>'
        "</state>",
        ["a -E-> None / g h"],
        lost={"script": 2, "sent event": 1, "description": 1},
    ),
    Xml(
        "a service",
        '<state id="a"><invoke src="s" id="i"><param name="n" expr="1"/></invoke>'
        '<transition event="done.invoke.i" target="b"/><transition event="error" target="a"/>'
        '</state><state id="b"/>',
        ["a -done.invoke.a.0-> b", "a -error.invoke.a.0-> a"],
    ),
    Xml(
        "the end of a state",
        '<state id="a"><transition event="done.state.a" target="c"/><final id="b"/></state>'
        '<state id="c"/>',
        ["a -done.state.a-> c"],
    ),
    Xml(
        "the end of a state inside",
        '<state id="a"><transition event="done.state.b" target="c"/>'
        '<state id="b"><final id="d"/></state></state><state id="c"/>',
        ["a.b -done.state.a.b-> c"],
    ),
    Xml(
        "the end of another state",
        '<state id="a"><transition event="done.state.x" target="a"/></state>',
        [],
        lost={"reserved event": 1},
    ),
    Xml(
        "a delay",
        '<state id="a"><onentry><send event="late" delay="1500ms" id="t"/></onentry>'
        '<onexit><cancel sendid="t"/></onexit><transition event="late" target="b"/></state>'
        '<state id="b"/>',
        ["a -after.a.0-> b"],
    ),
    Xml(
        "ids with dots",
        '<state id="a"><state id="a.b"/><state id="x.y"/></state>',
        [],
        ["a compound -> a.b", "a.b", "a.x_y"],
        {"renamed state": 1},
    ),
    Xml(
        "no ids",
        "<state><state/></state>",
        [],
        ["state_0 compound -> state_0.state_0", "state_0.state_0"],
    ),
    Xml(
        "elements of others",
        '<x:viewport xmlns:x="urn:x" x:a="1"/><state id="a"><x:y xmlns:x="urn:x"/></state>',
        [],
        ["a"],
    ),
]


def _document(inside: str, **attributes: str) -> str:
    more = "".join(f' {key}="{value}"' for key, value in attributes.items())
    return f'<scxml xmlns="http://www.w3.org/2005/07/scxml" version="1.0"{more}>{inside}</scxml>'


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_a_document_becomes_the_chart_that_it_means(document: Xml) -> None:
    """Transitions, states and losses are those that were written down."""
    found = import_chart(_document(document.text), settled=())
    assert edge_lines(found.chart) == document.edges
    if document.states is not None:
        assert state_lines(found.chart) == document.states
    assert {loss.kind: len(loss.places) for loss in found.losses} == document.lost


def test_name_start_and_data() -> None:
    """Data that is JSON is the context; a start may be deeper inside."""
    inside = (
        '<datamodel><data id="n" expr="5"/><data id="o">{"x": [1]}</data>'
        '<data id="f" expr="new Date()"/></datamodel><state id="a"><state id="b"/></state>'
    )
    found = import_chart(_document(inside, name="m", initial="b"))
    assert (found.chart.name, found.chart.initial) == ("m", "a.b")
    assert found.chart.context == {"n": 5, "o": {"x": [1]}}
    assert [loss.kind for loss in found.losses] == ["script"]


def test_several_states_as_a_start_need_a_state_around_them() -> None:
    """The root becomes one."""
    inside = (
        '<parallel id="p"><state id="q"><state id="x"/><state id="y"/></state>'
        '<state id="r"><state id="z"/><state id="w"/></state></parallel>'
    )
    chart = import_chart(_document(inside, initial="y w")).chart
    assert chart.initial_configuration == ("machine.p.q.y", "machine.p.r.w")


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><scxml>&b;</scxml>'


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (BOMB, ReadError, "document type or an entity"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><scxml/>', ReadError, "document type"),
        ("<scxml><state></scxml>", ReadError, "no XML: mismatched tag"),
        ("<html/>", ReadError, "XML with the root 'html', not <scxml>"),
        (
            _document('<state id="a"><transition target="b"/></state>'),
            DefinitionError,
            "a transition: unknown target 'b'",
        ),
        (_document('<state id="a"/><state id="a"/>'), DefinitionError, "the id 'a' appears twice"),
    ],
)
def test_what_is_no_document_is_refused(text: str, kind: type[Exception], words: str) -> None:
    """With what is wrong."""
    with pytest.raises(kind) as caught:
        import_chart(text)
    assert words in str(caught.value)


def test_tags_are_kept_in_a_namespace_of_their_own() -> None:
    """SCXML has no word for them."""
    text = _document('<state id="a" xmlns:s="urn:settlesim:1" s:tags="settled x"/>')
    found: Any = import_chart(text).chart.node("a").tags
    assert found == ("settled", "x")


def test_an_event_is_taken_by_its_whole_name_and_that_is_said() -> None:
    """SCXML takes the name for longer ones too; a chart does where the document has one."""
    text = _document(
        '<state id="a"><transition event="E"/><transition event="F"/>'
        '<transition event="F.x"/></state>'
    )
    found = import_chart(text)
    assert [each.trigger for each in found.chart.transitions] == ["E", "F.*", "F.x"]
    assert found.assumed[0].endswith("SCXML takes as prefixes, too: E, F.x")
