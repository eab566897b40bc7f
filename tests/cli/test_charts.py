"""How CHART is understood."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import Result

from settlesim.cli.charts import complete_chart, find_chart
from settlesim.cli.check import check
from settlesim.errors import DefinitionError, ReadError
from settlesim.gallery import CHARTS, count
from tests.cli.conftest import Run


@pytest.mark.parametrize("name", CHARTS)
def test_a_gallery_name_is_a_chart_with_its_functions(name: str) -> None:
    """The names of the gallery come first."""
    source = find_chart(name)
    assert source.chart is CHARTS[name]
    assert source.origin == "gallery"


def test_a_gallery_name_wins_over_a_file_of_that_name(here: Path) -> None:
    """A file called `count` is reached as ./count."""
    (here / "count").write_text('{"name": "mine", "states": ["a"], "initial": "a"}')
    assert find_chart("count").chart is count
    assert find_chart("./count").chart.name == "mine"


def test_a_json_file_is_a_chart(parcel: str) -> None:
    """A path is read as strict JSON."""
    source = find_chart(parcel)
    assert source.chart.name == "parcel"
    assert source.origin == "file"


def test_a_module_of_the_current_folder_can_be_named(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`module:attribute` finds modules beside the person."""
    monkeypatch.setattr("sys.path", ["/nowhere"])
    monkeypatch.setattr("sys.path_importer_cache", {})
    (here / "charts_of_mine.py").write_text("from settlesim.gallery import count as chart\n")
    source = find_chart("charts_of_mine:chart")
    assert source.chart is count
    assert source.origin == "python"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ordr", "the gallery (count, signup, order, donut), no file and no module:attribute; did"),
        ("Order", "did you mean 'order'?"),
        ("xyz", "no module:attribute."),
        (".", "'.' is a folder"),
        ("my.py", "try my:NAME"),
        ("my.py:chart", "try my:chart"),
    ],
)
def test_what_is_no_chart_is_refused_with_what_was_possible(
    here: Path, run: Run, text: str, message: str
) -> None:
    """The error lists the gallery and the nearest name, and is a usage error."""
    result = run("check", text)
    assert result.exit_code == 2
    assert "Invalid value for 'CHART'" in result.stderr
    assert message in result.stderr


@pytest.mark.parametrize(
    ("text", "content", "message"),
    [
        ("no.json", None, "'no.json': cannot be read: No such file"),
        ("a.json", "{", "a.json: not strict JSON"),
        ("a.json", "[]", "a.json: holds no JSON object"),
        ("a.json", '{"name": "x"}', "chart 'x' has 1 problem:\n  - chart: has no 'states'"),
    ],
)
def test_a_bad_file_is_one_clean_message(
    here: Path, run: Run, text: str, content: str | None, message: str
) -> None:
    """What is wrong with a file is said without a traceback, with status 2."""
    if content is not None:
        (here / text).write_text(content)
    result = run("check", text)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("path", "module"), [("orderdesk.py", "orderdesk"), ("desks/order.py", "desks.order")]
)
def test_a_module_without_its_attribute_is_recognised(
    here: Path, run: Run, path: str, module: str
) -> None:
    """The file beside the person goes before the nearest name of the gallery."""
    (here / path).parent.mkdir(exist_ok=True)
    (here / path).touch()
    result = run("check", module)
    assert result.exit_code == 2
    assert f"{module}:NAME" in result.stderr
    assert "gallery" not in result.stderr


MACHINE = """\
import warnings
from transitions import Machine
from transitions.extensions.states import Tags, add_state_features

@add_state_features(Tags)
class Tagged(Machine):
    pass

def lamp(cls, *tags):
    off = {"name": "off", "tags": list(tags)} if tags else "off"
    return cls(states=[off], transitions=[["GO", "off", "="]], initial="off", queued=True)

plain, tagged = lamp(Machine), lamp(Tagged, "settled")
warnings.warn("from the module", UserWarning)
"""


def test_what_is_left_out_of_a_machine_is_a_plain_note(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names no line of the library, and other warnings stay what they are."""
    monkeypatch.syspath_prepend(str(here))
    (here / "machines_of_mine.py").write_text(MACHINE)
    with pytest.warns(UserWarning, match="from the module"):
        result = run("check", "machines_of_mine:tagged")
    assert result.exit_code == 0
    assert result.stderr.startswith("Note: left out of the chart:\n  - the automatic transitions")
    assert "importing" not in result.stderr
    untagged = run("check", "machines_of_mine:plain")
    assert untagged.exit_code == 1
    assert "@add_state_features(Tags)" in untagged.stderr


def test_a_missing_module_and_a_missing_attribute_are_read_errors() -> None:
    """The import error is in the message."""
    with pytest.raises(ReadError, match="No module named 'no_such_module'"):
        find_chart("no_such_module:chart")
    with pytest.raises(ReadError, match="has no attribute 'nothing'"):
        find_chart("settlesim.gallery:nothing")


def test_a_script_that_ends_itself_does_not_end_the_command_well(
    here: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sys.exit(0)` while importing is an error, not a success without output."""
    monkeypatch.syspath_prepend(str(here))
    (here / "ends_itself.py").write_text("import sys\nsys.exit(0)\n")
    result = run("check", "ends_itself:chart")
    assert result.exit_code == 2
    assert "ended with SystemExit(0)" in result.stderr


def test_a_wrong_definition_is_reported_whole(here: Path) -> None:
    """Every problem of a definition is in the error."""
    (here / "bad.json").write_text(
        '{"states": ["a"], "initial": "b", "transitions": [["E","x","a"]]}'
    )
    with pytest.raises(DefinitionError) as caught:
        find_chart("bad.json")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("incomplete", "expected"),
    [
        ("", [("count", "plain"), ("signup", "plain"), ("order", "plain"), ("donut", "plain")]),
        ("or", [("order", "plain")]),
        ("my", [("my", "file")]),
    ],
)
def test_the_shell_completes_gallery_names_and_else_files(
    incomplete: str, expected: list[tuple[str, str]]
) -> None:
    """Completion offers what CHART understands."""
    items = complete_chart(click.Context(check), check.params[0], incomplete)
    assert [(item.value, item.type) for item in items] == expected


def test_the_gallery_is_listed_with_a_line_each(run: Run) -> None:
    """Every chart has its name and a sentence without markup."""
    result: Result = run("gallery")
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(CHARTS)
    assert all(line.endswith(".") and "`" not in line and "*" not in line for line in lines)


def test_a_gallery_chart_is_printed_as_a_file_to_begin_with(here: Path, run: Run) -> None:
    """What `gallery NAME` prints is read back as the same definition."""
    (here / "mine.json").write_text(run("gallery", "donut").stdout, encoding="utf-8")
    assert find_chart("mine.json").chart.to_dict() == CHARTS["donut"].to_dict()


def test_an_unknown_gallery_name_is_refused(run: Run) -> None:
    """With the nearest name, or with all of them."""
    assert "did you mean 'donut'?" in run("gallery", "donat").stderr
    result = run("gallery", "zzz")
    assert result.exit_code == 2
    assert "there are count, signup, order, donut." in result.stderr
