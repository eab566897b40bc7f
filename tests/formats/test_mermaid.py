"""Mermaid state diagrams become charts, line by line."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from settlesim import import_chart, read_chart
from settlesim.errors import ReadError
from tests.formats.lines import edge_lines, state_lines


@dataclass(frozen=True)
class Diagram:
    """The lines below ``stateDiagram-v2`` and what is expected of them."""

    name: str
    text: str
    edges: list[str]
    states: list[str] | None = None
    lost: dict[str, int] = field(default_factory=dict)


DIAGRAMS = [
    Diagram(
        "start, event, end", "[*] --> a\na --> b : GO\nb --> [*]", ["a -GO-> b"], ["a", "b final"]
    ),
    Diagram(
        "guards and actions",
        "[*] --> a\na --> b : GO [x and not y] / f, g",
        ["a -GO[x and not y]-> b / f, g"],
    ),
    Diagram("an action alone", "[*] --> a\na --> b : / f", ["a --> b / f"]),
    Diagram("a guard alone", "[*] --> a\na --> b : [g]", ["a -[g]-> b"]),
    Diagram("a path is no action", "[*] --> a\na --> b : GET /users", ["a -GET /users-> b"]),
    Diagram("words as an event", "[*] --> a\na --> b: user  clicks", ["a -user clicks-> b"]),
    Diagram("no label", "[*] --> a\na --> b", ["a --> b"]),
    Diagram(
        "delays",
        "[*] --> a\na --> b : after 500ms\na --> b : after 2 min [g]",
        ["a -after.a.0-> b", "a -after.a.1[g]-> b"],
    ),
    Diagram(
        "a service",
        "[*] --> a\na : do / s\na --> b : done s / keep\na --> c : error s",
        ["a -done.invoke.a.0-> b / keep", "a -error.invoke.a.0-> c"],
    ),
    Diagram("done without a service is an event", "[*] --> a\na --> b : done s", ["a -done s-> b"]),
    Diagram(
        "states inside",
        "[*] --> a\nstate a {\n[*] --> b\nb --> c : E\nc --> [*]\n}\na --> d : done",
        ["a.b -E-> a.c", "a -done.state.a-> d"],
        ["a compound -> a.b", "a.b", "a.c final", "d"],
    ),
    Diagram(
        "regions",
        "[*] --> a\nstate a {\n[*] --> b\nb --> c : E\n--\n[*] --> d\n}",
        ["a.region_1.b -E-> a.region_1.c"],
        [
            "a parallel",
            "a.region_1 compound -> a.region_1.b",
            "a.region_1.b",
            "a.region_1.c",
            "a.region_2 compound -> a.region_2.d",
            "a.region_2.d",
        ],
    ),
    Diagram(
        "a region that is one state",
        "[*] --> a\nstate a {\nstate r {\n[*] --> b\n}\n--\nq\n}",
        [],
        ["a parallel", "a.r compound -> a.r.b", "a.r.b", "a.q"],
    ),
    Diagram(
        "a diagram of regions",
        "[*] --> a\n--\n[*] --> b",
        [],
        [
            "machine parallel",
            "machine.region_1 compound -> machine.region_1.a",
            "machine.region_1.a",
            "machine.region_2 compound -> machine.region_2.b",
            "machine.region_2.b",
        ],
    ),
    Diagram(
        "a state is where it is declared, not where it is mentioned first",
        "[*] --> a\na --> c : E\nstate b {\nstate c\n}",
        ["a -E-> b.c"],
        ["a", "b compound -> b.c", "b.c"],
    ),
    Diagram(
        "a choice asks what stands at its arrows",
        "[*] --> a\nstate c <<choice>>\na --> c : E\nc --> a : n < 0\nc --> b : else",
        ["c -[n < 0]-> a", "c --> b", "a -E-> c"],
    ),
    Diagram(
        "a fork",
        "[*] --> f\nstate f <<fork>>\nf --> a\nf --> b",
        ["f --> a", "f --> b"],
        lost={"pseudo-state": 1},
    ),
    Diagram(
        "an end that more than one reaches",
        "[*] --> a\na --> [*] : STOP\na --> b : GO\nb --> [*]",
        ["a -STOP-> end", "a -GO-> b"],
        ["a", "b final", "end final"],
    ),
    Diagram(
        "an end after work",
        "[*] --> a\na --> [*] : done s\na : do / s",
        ["a -done.invoke.a.0-> end"],
        ["a", "end final"],
    ),
    Diagram("entities", "[*] --> a\na --> b : x#58;y#35;", ["a -x:y#-> b"]),
    Diagram("semicolons", "[*] --> a; a --> b : E; b --> a : F", ["a -E-> b", "b -F-> a"]),
    Diagram("a block in one line", "[*] --> a\nstate a { b }", [], ["a compound -> a.b", "a.b"]),
    Diagram(
        "comments, notes, styles and directives",
        "%%{init: {}}%%\n%% words\ndirection LR\n[*] --> a\nnote right of a\n  x --> y\nend note\n"
        'note left of a : words\nclassDef k fill:#f00\nclick a "javascript:x"\nstyle a fill:red',
        [],
        ["a"],
        {"description": 2},
    ),
    Diagram("an action at the start", "[*] --> a : f", [], lost={"initial transition": 1}),
]


@pytest.mark.parametrize("diagram", DIAGRAMS, ids=lambda diagram: diagram.name)
def test_a_diagram_becomes_the_chart_that_it_draws(diagram: Diagram) -> None:
    """Transitions, states and losses are those that were written down."""
    found = import_chart(f"stateDiagram-v2\n{diagram.text}\n", settled=())
    assert edge_lines(found.chart) == diagram.edges
    if diagram.states is not None:
        assert state_lines(found.chart) == diagram.states
    assert {loss.kind: len(loss.places) for loss in found.losses} == diagram.lost


def test_names_labels_and_tags() -> None:
    """A description is the label, a class of a settling tag is the tag, a title names the chart."""
    text = (
        "---\ntitle: My lamp\n---\nstateDiagram\n"
        'state "Lamp is off" as off\n[*] --> off\noff --> on : PUSH\non:::rejected\non : Shines\n'
        "class off settled\n"
    )
    chart = read_chart(text)
    assert chart.name == "My lamp"
    assert [(node.name, node.label, node.tags) for node in chart.states] == [
        ("off", "Lamp is off", ("settled",)),
        ("on", "Shines", ("reject",)),
    ]


def test_the_first_diagram_of_a_page_is_read() -> None:
    """Markdown may hold it, between fences, beside others."""
    page = "# A\n\n```mermaid\ngraph LR\n```\n\n```mermaid\nstateDiagram-v2\n[*] --> a\n```\n\n}\n"
    assert [node.name for node in read_chart(page).states] == ["a"]


def test_a_page_may_begin_with_an_element_and_have_longer_fences() -> None:
    """It is Markdown, and no XML."""
    page = "<img src='x'>\n\n````mermaid\nstateDiagram-v2\n[*] --> a\n````\n\n### words\n"
    assert [node.name for node in read_chart(page).states] == ["a"]


def test_what_was_assumed_is_said() -> None:
    """No start, and arrows without a label."""
    found = import_chart("stateDiagram-v2\na --> b\nb --> a : E\n")
    assert found.assumed[:2] == (
        "nothing says where it starts: in a",
        "1 arrow has no label: taken at once, without an event",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("}", "line 2: a closing brace without an opening one"),
        ("state a {", "the state 'a' has no closing brace"),
        ("[*] --> [*]", "line 2: an arrow from [*] to [*] leads nowhere"),
        ("a -> b", "line 2: 'a -> b' is neither a state, an arrow"),
        ("state a {\nstate a {\n}\n}", "line 3: the state 'a' stands inside itself"),
        ("%% nothing", "has no states"),
        ("a --> b : after 0 s", "is no delay in (0,"),
    ],
)
def test_a_line_that_means_nothing_is_refused_with_its_number(text: str, words: str) -> None:
    """And with what would be possible."""
    with pytest.raises(ReadError) as caught:
        import_chart(f"stateDiagram-v2\n{text}\n")
    assert words in str(caught.value)
