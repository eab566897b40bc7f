"""``settlesim draw``."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import click
import pytest

from settlesim.cli.draw import draw_command
from settlesim.gallery import count, donut, order
from settlesim.view.svg.picture import FORMATS
from tests.cli.conftest import Run

BEGINNINGS = {
    "svg": b"<svg ",
    "png": b"\x89PNG\r\n\x1a\n",
    "pdf": b"%PDF-",
    "dot": b"digraph",
    "mermaid": b"stateDiagram-v2",
}


def png_size(content: bytes) -> tuple[int, int]:
    """Return width and height from a PNG's first chunk."""
    width, height = struct.unpack(">II", content[16:24])
    return width, height


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_suffix_says_the_format(here: Path, run: Run, suffix: str) -> None:
    """Every suffix that the view knows is written, and it is said what was."""
    result = run("draw", "count", "-o", f"count.{suffix}")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Wrote count.{suffix}. Chart 'count'")
    assert (here / f"count.{suffix}").read_bytes().startswith(BEGINNINGS[FORMATS[suffix]])


def test_the_format_may_be_any_that_the_view_knows() -> None:
    """One list in the help, one in the view: the same."""
    option = next(each for each in draw_command.params if each.name == "wanted")
    assert isinstance(option.type, click.Choice)
    assert set(option.type.choices) == set(FORMATS.values())


@pytest.mark.parametrize("name", ["svg", "dot", "mermaid"])
@pytest.mark.parametrize("output", [(), ("-o", "-")])
def test_text_formats_are_printed_without_a_file(
    run: Run, name: str, output: tuple[str, ...]
) -> None:
    """Exactly the picture, and nothing else."""
    result = run("draw", "order", "--format", name, *output)
    assert result.exit_code == 0
    assert result.stdout.rstrip() == str(order.draw(format=name).render(name)).rstrip()
    assert result.stderr == ""


def test_svg_is_what_is_printed_by_default(run: Run) -> None:
    """The format that every page shows."""
    assert run("draw", "count").stdout.startswith("<svg ")


@pytest.mark.parametrize("name", ["png", "pdf"])
def test_binary_formats_are_printed_into_a_pipe(run: Run, name: str) -> None:
    """The bytes are not changed on the way."""
    result = run("draw", "count", "--format", name)
    assert result.stdout_bytes.startswith(BEGINNINGS[name])


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_binary_formats_are_not_printed_to_a_terminal(here: Path) -> None:
    """A terminal full of bytes helps nobody."""
    ours, theirs = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "settlesim", "draw", "count", "--format", "png"],
            cwd=here,
            stdout=theirs,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert b"png is no text for a terminal: give -o FILE" in done.stderr


def test_a_suffix_of_no_format_needs_a_format(here: Path, run: Run) -> None:
    """With it, any name will do."""
    result = run("draw", "count", "-o", "count.picture")
    assert result.exit_code == 2
    assert "the suffix '.picture' is of no format; known are .svg, .png" in result.stderr
    assert "it has no suffix" in run("draw", "count", "-o", "count").stderr
    assert run("draw", "count", "-o", "count.picture", "--format", "png").exit_code == 0
    assert (here / "count.picture").read_bytes().startswith(BEGINNINGS["png"])


def test_a_name_and_a_format_that_contradict_each_other_are_refused(here: Path, run: Run) -> None:
    """A PNG called .svg helps nobody."""
    result = run("draw", "count", "-o", "count.svg", "--format", "png")
    assert result.exit_code == 2
    assert "count.svg is named as svg, and --format says png" in result.stderr
    assert not (here / "count.svg").exists()


def test_active_states_are_shown(run: Run) -> None:
    """By full name or by a last part that only one state has; a compound state enters."""
    mixing = ["making.mixing.dry.sifting", "making.mixing.wet.whisking"]
    for chart, names, leaves in (
        (count, ["even"], ["even"]),
        (donut, ["sifting", "making.mixing.wet.whisking"], mixing),
        (donut, ["mixing"], mixing),
    ):
        words = [word for name in names for word in ("--state", name)]
        expected = chart.draw(configuration=leaves).svg
        assert run("draw", chart.name, *words).stdout.rstrip() == expected.rstrip()


def test_unknown_and_ambiguous_states_are_usage_errors(here: Path, run: Run) -> None:
    """With the nearest name, or all of them."""
    result = run("draw", "order", "--state", "payd")
    assert result.exit_code == 2
    assert "chart 'order' has no state 'payd'; did you mean 'paid'?" in result.stderr
    assert "it has idle, even, counting_even, odd." in run("draw", "count", "--state", "x").stderr
    (here / "two.json").write_text(
        '{"initial": "a", "states": [{"name": "a", "children": ["x"]},'
        ' {"name": "b", "children": ["x"]}]}'
    )
    assert "'x' is ambiguous: a.x, b.x" in run("draw", "two.json", "--state", "x").stderr


def test_theme_legend_and_direction_are_passed_on(run: Run) -> None:
    """Each gives what the library gives."""
    for words, options in (
        (("--theme", "dark"), {"theme": "dark"}),
        (("--legend",), {"legend": True}),
        (("--direction", "TB"), {"direction": "TB"}),
    ):
        expected = count.draw(**options).svg
        assert expected != count.draw().svg
        assert run("draw", "count", *words).stdout.rstrip() == expected.rstrip()


def test_the_scale_is_the_size_of_a_png(run: Run) -> None:
    """Twice the scale, twice the pixels, up to rounding."""
    one, two = (
        png_size(run("draw", "count", "--format", "png", "--scale", scale).stdout_bytes)
        for scale in ("1", "2")
    )
    assert two[0] == pytest.approx(2 * one[0], abs=2)
    assert two[1] == pytest.approx(2 * one[1], abs=2)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--theme", "blue"),
        ("--direction", "RL"),
        ("--scale", "0"),
        ("--scale", "21"),
        ("--timeout", "0"),
        ("--format", "gif"),
    ],
)
def test_wrong_options_are_usage_errors(run: Run, option: str, value: str) -> None:
    """The possible values are named."""
    result = run("draw", "count", option, value)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr
    assert re.search(r"is not (in the range|one of)", result.stderr)


def test_a_file_that_can_not_be_written_is_one_clean_message(here: Path, run: Run) -> None:
    """The picture was made, the disk said no: status 1."""
    result = run("draw", "count", "-o", "no/count.svg")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the picture cannot be written to 'no/count.svg'")


def test_a_chart_needs_no_functions_to_be_drawn(parcel: str, run: Run) -> None:
    """A JSON file is enough."""
    assert run("draw", parcel).exit_code == 0


def test_the_settling_graph_is_drawn(here: Path, run: Run) -> None:
    """Only places of rest are in it."""
    result = run("draw", "count", "-o", "graph.svg", "--settling-graph", "--theme", "dark")
    assert result.exit_code == 0, result.output
    picture = (here / "graph.svg").read_text(encoding="utf-8")
    assert "even" in picture
    assert "counting_even" not in picture


def test_a_settled_state_is_shown_in_a_settling_graph(run: Run) -> None:
    """One that the chart only passes is not in it."""
    result = run("draw", "donut", "--settling-graph", "--state", "ready")
    expected = donut.settling_graph().draw(configuration=["ready.plain"]).svg
    assert result.stdout.rstrip() == expected.rstrip()
    result = run("draw", "count", "--settling-graph", "--state", "odd")
    assert result.exit_code == 1
    assert "configuration odd is no state of this settling graph" in result.stderr


# --- large charts -------------------------------------------------------------------------


def test_a_state_is_folded_by_the_end_of_its_name(run: Run) -> None:
    """As often as there are states to fold."""
    result = run("draw", "donut", "--collapse", "mixing", "--collapse", "ready")
    assert result.exit_code == 0
    assert result.stdout.rstrip() == donut.draw(collapse=["making.mixing", "ready"]).svg


def test_an_unknown_state_to_fold_is_refused_with_the_nearest_one(run: Run) -> None:
    """Before anything is drawn."""
    result = run("draw", "donut", "--collapse", "makin")
    assert result.exit_code == 2
    assert "'--collapse'" in result.stderr
    assert "did you mean 'making'?" in result.stderr


def test_states_of_a_settling_graph_are_not_folded(run: Run) -> None:
    """It has none with states inside."""
    result = run("draw", "donut", "--settling-graph", "--collapse", "making")
    assert result.exit_code == 2
    assert "not of --settling-graph" in result.stderr


def test_the_width_turns_a_wide_chart(run: Run) -> None:
    """Where no direction is said."""
    narrow = run("draw", "order", "--width", "500").stdout.rstrip()
    assert narrow == order.draw(direction="TB").svg
    assert run("draw", "order").stdout.rstrip() == order.draw(direction="LR").svg
