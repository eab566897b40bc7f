"""The rules for notebooks, by which they read well and compare exactly."""

from __future__ import annotations

import ast
import json
import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
MAX_CELLS = 15
MAX_LINES = 12
MAX_BYTES = 650_000  # pictures are stored twice, inline and as an image, those of panels as SVG too

Notebook = dict[str, Any]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    """Return the path of a notebook."""
    found: Path = request.param
    return found


@pytest.fixture
def notebook(path: Path) -> Notebook:
    """Return a notebook as JSON."""
    found: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return found


def _code(notebook: Notebook) -> list[Notebook]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _source(cell: Notebook) -> str:
    return "".join(cell["source"])


def test_there_are_notebooks() -> None:
    """The map, draw, settle, two about the simulator, two to play with, one for real, one about
    change, one about engines, and one for a chart of one's own."""
    names = [path.stem for path in NOTEBOOKS]
    assert names == [
        "00_start_here",
        "01_draw",
        "02_settle",
        "03_why_fifo",
        "04_faults",
        "05_play",
        "06_be_the_scheduler",
        "07_for_real",
        "08_change",
        "09_beyond_one_machine",
        "10_your_own_chart",
    ]


def test_every_code_cell_was_run_in_order(notebook: Notebook) -> None:
    """Cells are numbered 1 to n; nbval does not compare a cell without a number."""
    numbers = [cell["execution_count"] for cell in _code(notebook)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_every_cell_has_an_id_of_its_own(notebook: Notebook) -> None:
    """Two cells with one id are a notebook that nbformat refuses."""
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)


def test_no_cell_is_skipped_or_ignored(notebook: Notebook) -> None:
    """No tag and no comment keeps nbval from comparing."""
    for cell in _code(notebook):
        assert not cell["metadata"].get("tags")
        assert "NBVAL" not in _source(cell).upper()


def test_cells_are_few_and_short(notebook: Notebook) -> None:
    """At most fifteen code cells of at most twelve lines."""
    cells = _code(notebook)
    assert len(cells) <= MAX_CELLS
    assert all(len(_source(cell).splitlines()) <= MAX_LINES for cell in cells)


def test_the_library_does_the_work(notebook: Notebook) -> None:
    """No cell defines anything, and only the first one imports."""
    for index, cell in enumerate(_code(notebook)):
        source = _source(cell)
        assert "sys.path" not in source
        tree = ast.parse(source)
        for node in ast.walk(tree):
            assert not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                assert index == 0


def test_words_come_before_each_cell(notebook: Notebook) -> None:
    """Every code cell is introduced, and the last cell says what was seen."""
    cells = notebook["cells"]
    for before, cell in pairwise(cells):
        if cell["cell_type"] == "code":
            assert before["cell_type"] == "markdown"
    assert cells[0]["cell_type"] == cells[-1]["cell_type"] == "markdown"
    assert "What we saw" in _source(cells[-1])


def test_links_lead_to_files(path: Path, notebook: Notebook) -> None:
    """Whatever a text points to beside the notebook is there."""
    words = "".join(_source(cell) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    targets = re.findall(r"\]\(([^)#]+)", words)
    assert targets
    for target in targets:
        assert target.startswith("https://") or (path.parent / target).is_file(), target


def test_a_picture_stands_in_the_first_two_code_cells(notebook: Notebook) -> None:
    """The reader sees a chart at once."""
    assert any("<svg" in _all_text(cell) for cell in _code(notebook)[:2])


def test_outputs_are_small_and_without_errors(path: Path, notebook: Notebook) -> None:
    """SVG and text only, no tracebacks, nothing on standard error."""
    assert path.stat().st_size <= MAX_BYTES
    for cell in _code(notebook):
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr"
            assert set(output.get("data", {})) <= {"image/svg+xml", "text/html", "text/plain"}


def test_every_picture_is_whole(notebook: Notebook) -> None:
    """Every SVG is well-formed XML without a script, a link or a picture from elsewhere."""
    for cell in _code(notebook):
        for output in cell["outputs"]:
            html = "".join(output.get("data", {}).get("text/html", ""))
            for svg in re.findall(r"<svg\b.*?</svg>", unquote(html), re.DOTALL):
                tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(svg).iter()}
                assert not tags & {"script", "a", "image", "foreignObject"}


def test_nothing_of_a_machine_is_in_a_notebook(path: Path, notebook: Notebook) -> None:
    """No path, time or version of the machine that ran it."""
    text = path.read_text(encoding="utf-8")
    assert "/tmp/" not in text
    assert "/home/" not in text
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    assert all("execution" not in cell["metadata"] for cell in notebook["cells"])


def _all_text(cell: Notebook) -> str:
    return json.dumps(cell["outputs"])
