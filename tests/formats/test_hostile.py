"""Documents from people who mean ill end in a chart or a clear error, soon and in little memory."""

from __future__ import annotations

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
from tests.hostile import HOSTILE

pytest.importorskip("yaml")
pytest.importorskip("defusedxml")

_CHILD = """
import resource, sys, warnings
warnings.simplefilter("ignore")
from settlesim import import_chart
from settlesim.errors import SettlesimError
text = sys.stdin.buffer.read().decode("utf-8", "surrogatepass")
before = resource.getrusage(resource.RUSAGE_SELF)
try:
    found = import_chart(text)
    print("chart", len(found.chart.states))
except SettlesimError as error:
    assert len(str(error)) < 20_000
    print("error", type(error).__name__)
after = resource.getrusage(resource.RUSAGE_SELF)
print(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
print(after.ru_maxrss // 1024)
"""
"""Reads a document from its input; says what became of it, in how many seconds and MiB."""


@pytest.mark.skipif(sys.platform == "win32", reason="resource is not on Windows")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_hostile_document_ends_soon_and_in_little_memory(name: str) -> None:
    """Within two seconds of work and 300 MiB: it is no chart, or it is one."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=DOCUMENTS[name]().encode("utf-8", "surrogatepass"),
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    what, seconds, size = done.stdout.decode().splitlines()
    assert what.split()[0] in {"chart", "error"}
    assert float(seconds) < 2
    assert int(size) < 300


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
def test_markup_in_names_stays_text_in_every_picture(format_: str) -> None:
    """No name becomes an element, a link or a line of another language."""
    charts = 0
    for name in HOSTILE:
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
    assert charts > len(HOSTILE) // 2


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
