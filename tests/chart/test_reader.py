"""Charts from mappings, JSON text, files and modules."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from settlesim import Chart, chart_to_json, read_chart
from settlesim.chart.reader import MAX_FILE_BYTES
from settlesim.errors import DefinitionError, ReadError

RECORD: dict[str, Any] = {"states": ["a", "b"], "transitions": [["GO", "a", "b"]], "initial": "a"}
CHART = Chart.from_dict(RECORD)


class _Bytes:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> bytes:
        return bytes(self._path)


def test_a_chart_reads_as_itself() -> None:
    """Nothing is copied."""
    assert read_chart(CHART) is CHART


@pytest.mark.parametrize(
    "source",
    [RECORD, json.dumps(RECORD), "\n  " + json.dumps(RECORD, indent=2), chart_to_json(CHART)],
)
def test_a_mapping_and_json_text_are_read(source: object) -> None:
    """Text that begins with a brace is JSON."""
    assert read_chart(source) == CHART


def test_a_file_is_read_by_path_and_by_its_name(tmp_path: Path) -> None:
    """A colon in a name that exists is part of the name."""
    for name in ("chart.json", "no:module.json", "no:suffix"):
        path = tmp_path / name
        path.write_text(json.dumps(RECORD), encoding="utf-8")
        assert read_chart(path) == CHART
        assert read_chart(str(path)) == CHART
        assert read_chart(_Bytes(path)) == CHART


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """With the reason of the operating system."""
    with pytest.raises(ReadError) as caught:
        read_chart(tmp_path / "none.json")
    assert "none.json" in str(caught.value)
    assert caught.value.reason == "cannot be read: No such file or directory"
    with pytest.raises(ReadError, match="No such file"):
        read_chart("none.json")
    with pytest.raises(ReadError, match="Is a directory"):
        read_chart(tmp_path)


@pytest.mark.parametrize("source", ["a\x00.json", "x" * 1_000_000, "", " ", "\ud800"])
def test_text_that_can_be_no_path_is_refused(source: str) -> None:
    """The text is shortened in the error."""
    with pytest.raises(ReadError) as caught:
        read_chart(source)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("[1]", "holds no JSON object; a chart is one"),
        ("{", "not strict JSON"),
        ('{"states": "\ud800"}', "not strict JSON"),
        ('{"states": ["a"], "states": ["b"]}', "the key 'states' appears twice"),
        ('{"version": ' + "9" * 5_000 + "}", "4300 digits"),
        ('{"context": {"a": NaN}}', "NaN is not JSON"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("{" + " " * MAX_FILE_BYTES, f"is larger than {MAX_FILE_BYTES} bytes"),
    ],
)
def test_json_that_is_no_chart_is_refused(text: str, fact: str) -> None:
    """Before anything of it is looked at."""
    with pytest.raises(ReadError) as caught:
        read_chart(text)
    assert caught.value.source == "JSON text"
    assert fact in caught.value.reason


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    """The size bound holds for files too."""
    path = tmp_path / "large.json"
    path.write_bytes(b" " * (MAX_FILE_BYTES + 10))
    with pytest.raises(ReadError, match="is larger than"):
        read_chart(path)


def test_a_wrong_chart_in_a_file_is_a_definition_error(tmp_path: Path) -> None:
    """The file could be read; its author is asked."""
    path = tmp_path / "wrong.json"
    path.write_text('{"states": ["a"], "initial": "b"}', encoding="utf-8")
    with pytest.raises(DefinitionError, match="unknown state 'b'"):
        read_chart(path)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that holds charts in several shapes."""
    made = ModuleType("settlesim_test_module")
    made.chart = CHART  # type: ignore[attr-defined]
    made.record = RECORD  # type: ignore[attr-defined]
    made.text = json.dumps(RECORD)  # type: ignore[attr-defined]
    made.number = 5  # type: ignore[attr-defined]
    made.inner = made  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


@pytest.mark.parametrize("path", ["chart", "record", "inner.chart"])
def test_a_module_attribute_is_read(module: ModuleType, path: str) -> None:
    """Any source that is not a text may stand there."""
    assert read_chart(f"{module.__name__}:{path}") == CHART


@pytest.mark.parametrize(
    ("path", "fact"),
    [
        ("none", "cannot be imported: .* has no attribute 'none'"),
        ("chrt", "has no attribute 'chrt'.*; did you mean 'chart'\\?"),
        ("chart.none", "cannot be imported: .* has no attribute 'none'"),
        ("", "cannot be imported: .* has no attribute ''"),
        ("text", "is a text, not a chart"),
        ("number", "is no chart"),
    ],
)
def test_an_attribute_that_is_no_chart_is_refused(module: ModuleType, path: str, fact: str) -> None:
    """A text there could be anything."""
    with pytest.raises(ReadError, match=fact):
        read_chart(f"{module.__name__}:{path}")


@pytest.mark.parametrize(
    "source", ["settlesim_none:chart", ":chart", ".x:chart", "a" * 10_000 + ":b"]
)
def test_a_module_that_can_not_be_imported_is_named(source: str) -> None:
    """With what Python says."""
    with pytest.raises(ReadError) as caught:
        read_chart(source)
    assert caught.value.reason.startswith("cannot be imported: ")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("source", [5, None, [RECORD], b"{}", object(), Chart])
def test_anything_else_is_refused(source: object) -> None:
    """The error says what can be read."""
    with pytest.raises(ReadError, match="a transitions machine can be read"):
        read_chart(source)


def test_a_module_whose_chart_is_wrong_tells_every_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On lines of their own, as where the chart is made in Python."""
    states = [{"name": f"state_{n}", "tag": "settled"} for n in range(20)]
    text = f"from settlesim import Chart\nchart = Chart({states}, [], 'state_0')\n"
    (tmp_path / "wrong_chart_here.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ReadError) as caught:
        read_chart("wrong_chart_here:chart")
    assert "cannot be imported: chart 'chart' has 20 problems:\n" in str(caught.value)
    assert str(caught.value).count("unknown key 'tag'; did you mean 'tags'?") == 20
