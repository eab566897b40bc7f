"""No name can become markup, a link or a script, in any format."""

from __future__ import annotations

import re
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlesim.chart import Chart
from settlesim.machine.sketch import xml_text
from settlesim.view.chart.mermaid import escape_label

SVG = "{http://www.w3.org/2000/svg}"

HOSTILE = [
    "<b>x</b>",
    "a:b",
    "a::b:n",
    "back\\",
    "\\\\",
    '"q"',
    "it's",
    '<x>];EVIL[label="pwn" URL="javascript:alert(1)"];s->t[label=<y>',
    "<x>];EVIL;[<y>",
    "]]>",
    "<!--",
    "-->",
    "&amp;",
    "&#60;script&#62;",
    "<script>alert(1)</script>",
    "</text></svg><script>1</script>",
    '"><img src=x onerror=alert(1)>',
    "%%{init}%%",
    '%%{init: {"securityLevel": "loose"}}%%',
    'click n0 "javascript:alert(1)"',
    "n0 --> n1",
    "}",
    "[*]",
    "--",
    "\\N",
    "\\G \\n \\l",
    "javascript:alert(1)",
    "node",
    "#quot;",
    "two  spaces",
    "\U0001f600 smile",
    "\u05e9\u05dc\u05d5\u05dd",
    "\u202eesrever",
    "\ufffe",
    "%s {0} $x",
]

ONE_OF_EACH_KIND = {
    "</text></svg><script>1</script>",
    '"><img src=x onerror=alert(1)>',
    '<x>];EVIL[label="pwn" URL="javascript:alert(1)"];s->t[label=<y>',
    "]]>",
    "&#60;script&#62;",
    "it's",
    "\\G \\n \\l",
    "%%{init}%%",
    "[*]",
    "\U0001f600 smile",
    "\u05e9\u05dc\u05d5\u05dd",
    "\ufffe",
    "%s {0} $x",
}
MOSTLY_AT_NIGHT = [
    name if name in ONE_OF_EACH_KIND else pytest.param(name, marks=pytest.mark.nightly)
    for name in HOSTILE
]
"""All of them; but for one of each kind, they are tried at night."""


def chart_of(name: str) -> Chart:
    """Return a chart where every place for a name has this one."""
    local = name.replace(".", "_")
    return Chart(
        name=name,
        initial=local,
        states=[
            {"name": local, "tags": ["settled"], "on_enter": f"{name} 3"},
            {"name": "other", "label": name, "invoke": {"src": f"{name} 4", "on_done": local}},
        ],
        transitions=[
            {
                "trigger": name,
                "source": local,
                "dest": "other",
                "conditions": [f"{name} 1"],
                "assign": [f"{name} 2"],
            },
            {"trigger": "GO", "source": "other", "dest": local, "label": name},
        ],
    )


def shown(name: str) -> str:
    return name.replace("\ufffe", "\ufffd")


@pytest.mark.parametrize("name", HOSTILE)
def test_svg_holds_names_as_text_only(name: str) -> None:
    """Texts are the names; there is no element, attribute or id beyond the expected ones."""
    svg = chart_of(name).draw(configuration="other", path=[0], title=name).svg
    root = ET.fromstring(svg)
    tags = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert tags <= {"svg", "g", "title", "rect", "text", "circle", "path", "polygon"}
    assert root.attrib.pop("style") == "max-width:100%;height:auto"
    attributes = {key for each in root.iter() for key in each.attrib}
    assert not [
        key for key in attributes if "href" in key or key.startswith("on") or key == "style"
    ]
    ids = [each.attrib["id"] for each in root.iter() if "id" in each.attrib]
    assert sorted(ids) == [
        "e0", "e0_label", "e1", "e1_label", "e2", "e2_label", "n0", "n1", "n1_halo",
        "start", "start_edge",
    ]  # fmt: skip
    for each in root.iter():
        assert re.fullmatch(r"[A-Za-z0-9_ ]*", each.get("id", "") + each.get("class", ""))
    groups = {each.attrib["id"]: each for each in root.iter() if "id" in each.attrib}

    def said(id_: str) -> str:
        return "".join("".join(each.itertext()) for each in groups[id_].iter(f"{SVG}text"))

    squeezed = shown(name).replace(" ", "")
    for id_ in ("n0", "n1", "e0_label", "e1_label"):
        assert squeezed in said(id_).replace(" ", "")
    assert f"{squeezed}1" in said("e0_label").replace(" ", "")
    assert f"{squeezed}2" in said("e0_label").replace(" ", "")
    assert f"{squeezed}3" in said("n0").replace(" ", "")
    assert f"{squeezed}4" in said("n1").replace(" ", "")


@pytest.mark.parametrize("name", HOSTILE)
def test_dot_holds_names_in_labels_only(name: str) -> None:
    """Outside of labels stand made-up identifiers and our own attributes."""
    dot = chart_of(name).draw(format="dot", title=name).dot
    bare = re.sub(r"label=<.*>(?= |])", "label=0", dot)
    assert re.fullmatch(r'[A-Za-z0-9_=#",. \t\n\[\]{}>-]*', bare)
    assert set(re.findall(r"\t(\w+) (?:->|\[)", bare)) <= {
        "graph",
        "node",
        "edge",
        "n0",
        "n1",
        "start",
    }
    texts = [unescape(each) for each in re.findall(r">([^<>]+)</", dot)]
    assert shown(name).replace("\\", "\\\\")[:12] in " ".join(texts)
    assert "URL=" not in re.sub(r"<.*>", "", dot)
    assert "href" not in bare


@pytest.mark.parametrize("name", HOSTILE)
def test_mermaid_holds_names_as_numbers(name: str) -> None:
    """Nothing of a name but letters, digits, spaces and underscores is written as it is."""
    text = chart_of(name).draw(format="mermaid").mermaid
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("    state ")] == [
        line for line in lines if re.fullmatch(r'    state "[^"]*" as n[01]', line)
    ]
    arrows = [line for line in lines if "-->" in line]
    assert len(arrows) == 4
    assert all(
        re.fullmatch(r"    (\[\*\]|n[01]) --> n[01]( : [^:<>{}\"%\[\]]*)?", line) for line in arrows
    )
    assert not [line for line in lines if line.lstrip().startswith(("click", "%%", "link"))]
    assert len(lines) == 12


@pytest.mark.filterwarnings("ignore::settlesim.view.MissingGlyphsWarning")
@pytest.mark.parametrize("name", MOSTLY_AT_NIGHT)
def test_png_and_pdf_are_drawn(name: str) -> None:
    """A hostile name breaks no renderer."""
    picture = chart_of(name).draw()
    assert picture.png.startswith(b"\x89PNG")
    assert picture.pdf.startswith(b"%PDF-")


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=40))
def test_any_name_is_drawn_as_text(name: str) -> None:
    """Whatever the characters are, the picture is well-formed and says the name."""
    if not name.strip() or name.startswith(("done.", "error.", "after.")):
        return
    chart = Chart(["a", {"name": "b", "label": name}], [[name, "a", "b"]], "a")
    root = ET.fromstring(chart.draw().svg)
    groups = {each.attrib["id"]: each for each in root.iter() if "id" in each.attrib}
    for id_ in ("n1", "e0_label"):
        texts = [each.text for each in groups[id_].iter(f"{SVG}text")]
        assert texts == [xml_text(name)]


def test_mermaid_label_can_be_read_back() -> None:
    """Numbers stand for characters, one for one."""
    name = 'a:b;"#%{}<>\\\u05e9'
    assert re.sub(r"#(\d+);", lambda found: chr(int(found[1])), escape_label(name)) == name


def test_nothing_executable_or_remote_is_in_a_picture() -> None:
    """No script, link, style sheet, comment, or document type."""
    svg = chart_of("x").draw(legend=True, theme="dark").svg
    for word in (
        "<script",
        "href",
        "<style",
        "<!--",
        "<!DOCTYPE",
        "url(",
        "http://www.w3.org/1999",
    ):
        assert word not in svg
