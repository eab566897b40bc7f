"""Documents from people who mean ill end in a chart or a clear error, soon and in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from settlesim import Chart, export_chart, import_chart
from settlesim.errors import SettlesimError
from settlesim.formats.exporting import EXPORTS
from tests.formats.hostile_documents import DOCUMENTS, named_document
from tests.hostile import ALL_OTHERS, ONE_OF_EACH_KIND

pytest.importorskip("yaml")
pytest.importorskip("defusedxml")

_CHILD = """
import json, resource, sys, warnings
warnings.simplefilter("ignore")
from settlesim import import_chart
from settlesim.errors import SettlesimError

def peak():
    try:  # ru_maxrss counts what the process was forked from
        with open("/proc/self/status") as status:
            return int(status.read().split("VmHWM:")[1].split()[0]) // 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

for name, text in json.load(sys.stdin).items():
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        what = f"chart of {len(import_chart(text).chart.states)} states"
    except SettlesimError as error:
        what = type(error).__name__
        assert len(str(error)) < 20_000, name
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps([name, what, seconds, peak()]))
"""
"""Reads documents; says what became of each, in how many seconds, and the MiB that it took."""


@pytest.mark.skipif(sys.platform == "win32", reason="resource is not on Windows")
@pytest.mark.parametrize("format_", ["xstate", "asl", "scxml", "mermaid", "sismic", "markup"])
def test_hostile_documents_end_soon_and_in_little_memory(format_: str) -> None:
    """Each within two seconds of work and 300 MiB: it is no chart, or it is one."""
    texts = {name: make() for name, make in DOCUMENTS.items() if name.startswith(format_)}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [name for name, *_ in found] == list(texts)
    assert [each for each in found if each[2] >= 2 or each[3] >= 300] == []


_FORMATS = ("xstate", "asl", "scxml", "mermaid", "sismic", "markup")


def _read(text: str) -> Chart | SettlesimError:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            return import_chart(text).chart
        except SettlesimError as error:
            return error


@pytest.mark.parametrize("format_", _FORMATS)
def test_a_name_of_a_thousand_characters_is_refused_or_cut(format_: str) -> None:
    """The message is short enough to be read."""
    found = _read(named_document(format_, "x" * 1_000))
    if isinstance(found, Chart):
        assert all(len(name) <= 200 for name in (found.name, *found.roles))
    else:
        assert "200 is the limit" in str(found)
        assert len(str(found)) < 5_000


@pytest.mark.parametrize("format_", _FORMATS)
@pytest.mark.parametrize(
    "names",
    [
        pytest.param(ONE_OF_EACH_KIND, id="one of each kind"),
        pytest.param(ALL_OTHERS, id="all others", marks=pytest.mark.nightly),
    ],
)
def test_markup_in_names_stays_text_in_every_picture(names: list[str], format_: str) -> None:
    """No name becomes an element, a link or a line of another language."""
    charts = 0
    for name in names:
        found = _read(named_document(format_, name.replace(".", "_")))
        if not isinstance(found, Chart):
            continue
        charts += 1
        mermaid = found.draw(format="mermaid").mermaid
        assert "<" not in mermaid
        assert not any(line.strip().startswith(("click", "%%")) for line in mermaid.splitlines())
        for target in EXPORTS:
            again = _read(export_chart(found, target).text)
            assert isinstance(again, (Chart, SettlesimError))
    assert charts > len(names) // 2


@pytest.mark.parametrize("format_", _FORMATS)
def test_markup_in_names_stays_text_in_a_drawn_picture(format_: str) -> None:
    """The SVG is well-formed, without scripts, links and handlers."""
    found = _read(named_document(format_, """</text><script>alert(1)</script><a b='"&c"""))
    assert isinstance(found, Chart)
    svg = found.draw().svg
    for element in ET.fromstring(svg).iter():
        assert element.tag.rpartition("}")[2] not in {"script", "a", "image", "foreignObject"}
        assert not any(key.lower().startswith("on") for key in element.attrib)


def test_what_stands_in_a_document_is_never_run(tmp_path: Path, monkeypatch: Any) -> None:
    """Neither code in guards nor tags of YAML nor paths of files."""
    monkeypatch.chdir(tmp_path)
    code = "__import__('pathlib').Path('ran').touch()"
    for format_ in _FORMATS:
        _read(named_document(format_, code))
    _read(f"statechart: !!python/object/apply:exec ['{code!r}']")
    assert not (tmp_path / "ran").exists()
