"""Markup of `transitions` is recognised wherever a chart may stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transitions import Machine
from transitions.extensions.markup import HierarchicalMarkupMachine, MarkupMachine

from settlesim import import_chart, read_chart
from settlesim.errors import ReadError
from tests.formats.lines import edge_lines

yaml = pytest.importorskip("yaml")


def test_markup_is_recognised_as_a_mapping_and_in_files(tmp_path: Path) -> None:
    """As `MarkupMachine` writes it, in JSON and in YAML."""
    machine = MarkupMachine(
        states=["off", "on"],
        transitions=[["push", "off", "on"], ["push", "on", "off"]],
        initial="off",
        name="lamp",
        auto_transitions=False,
    )
    markup = {key: value for key, value in machine.markup.items() if key != "models"}
    (tmp_path / "lamp.json").write_text(json.dumps(markup))
    (tmp_path / "lamp.yaml").write_text(yaml.safe_dump(markup))
    for source in (markup, tmp_path / "lamp.json", tmp_path / "lamp.yaml"):
        found = import_chart(source)
        assert found.format == "markup of transitions (MarkupMachine)"
        assert edge_lines(found.chart) == ["off -push-> on", "on -push-> off"]
        assert found.chart.provenance["settled_by_rule"] == ["off", "on"]
        assert (found.chart.name, found.left_out) == ("lamp", ())


def test_what_its_reader_leaves_out_is_told_here_too() -> None:
    """In its own words, and in the provenance."""
    machine = HierarchicalMarkupMachine(
        states=["a", {"name": "b", "children": ["c"]}], initial="a", before_state_change="log"
    )
    with pytest.warns(UserWarning, match="left out of the chart"):
        chart = read_chart(machine.markup)
    assert chart.provenance["left_out"] == list(import_chart(machine.markup).left_out)
    assert chart.provenance["left_out"]


def test_a_machine_is_read_with_the_same_options() -> None:
    """Tags, names and the rule hold for an object of the library, too."""
    ways = [["push", "off", "on"], ["push", "on", "off"]]
    lamp = Machine(states=["off", "on"], transitions=ways, initial="off", auto_transitions=False)
    found = import_chart(lamp, settled=["off"], name="lamp")
    assert found.format == "a machine of transitions"
    assert [node.tags for node in found.chart.states] == [("settled",), ()]
    assert import_chart(lamp).chart.provenance["settled_by_rule"] == ["off", "on"]


def test_what_is_no_chart_at_all_is_refused() -> None:
    """With what can be read."""
    with pytest.raises(ReadError, match="is no chart: a file's path, a text, a mapping or a"):
        import_chart(5)
