"""``settlesim lab``, up to the server's start."""

from __future__ import annotations

import importlib
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from settlesim.cli.lab import REQUIRED, lab_command, prepare, require_lab
from settlesim.cli.notebooks import Notebooks, copy_notebooks, find_notebooks, trust, unchanged
from settlesim.errors import MissingExtraError
from tests.cli.conftest import Run

NAMES = ["01_draw.ipynb", "02_settle.ipynb"]


def notebook(text: str) -> str:
    """Return a notebook with one markdown cell."""
    cell = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": text}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture
def wheel(tmp_path: Path) -> Notebooks:
    """Notebooks inside an installed package."""
    folder = tmp_path / "site-packages" / "settlesim" / "notebooks"
    (folder / "img").mkdir(parents=True)
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "01_draw-checkpoint.ipynb").write_text("{}")
    (folder / "img" / "count.svg").write_text("<svg/>")
    for name in NAMES:
        (folder / name).write_text(notebook(name))
    return Notebooks(folder)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's current folder, with Jupyter's files kept out of the real home."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    return folder


# --- where they are -----------------------------------------------------------------------


def test_the_notebooks_of_a_wheel_are_inside_the_package(wheel: Notebooks) -> None:
    """They are listed in reading order, without checkpoints."""
    found = find_notebooks(wheel.folder.parent)
    assert found == wheel
    assert found is not None
    assert found.names == NAMES


def test_the_notebooks_of_a_clone_stand_beside_the_package(tmp_path: Path) -> None:
    """A pyproject.toml beside the package tells a clone."""
    (tmp_path / "settlesim").mkdir()
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01_draw.ipynb").write_text(notebook("x"))
    assert find_notebooks(tmp_path / "settlesim") is None
    (tmp_path / "pyproject.toml").touch()
    assert find_notebooks(tmp_path / "settlesim") == Notebooks(tmp_path / "notebooks")


# --- copying ------------------------------------------------------------------------------


def test_everything_but_hidden_files_is_copied(wheel: Notebooks, desk: Path) -> None:
    """Folders inside are made; checkpoints stay behind."""
    copied = copy_notebooks(wheel.folder, desk / "mine")
    assert copied.written == (*NAMES, "img/count.svg")
    assert copied.same == copied.kept == ()
    found = sorted(path.name for path in (desk / "mine").rglob("*") if path.is_file())
    assert found == sorted([*NAMES, "count.svg"])


def test_a_file_of_the_person_is_never_written_over(wheel: Notebooks, desk: Path) -> None:
    """It is kept and named; what is equal is named apart."""
    copy_notebooks(wheel.folder, desk)
    (desk / "01_draw.ipynb").write_text("my work")
    (desk / "02_settle.ipynb").unlink()
    copied = copy_notebooks(wheel.folder, desk)
    assert copied.written == ("02_settle.ipynb",)
    assert copied.same == ("img/count.svg",)
    assert copied.kept == ("01_draw.ipynb",)
    assert (desk / "01_draw.ipynb").read_text() == "my work"


def test_a_link_is_not_followed_when_copying(wheel: Notebooks, desk: Path) -> None:
    """A link that leads nowhere is the person's, too."""
    (desk / "01_draw.ipynb").symlink_to(desk / "elsewhere")
    copied = copy_notebooks(wheel.folder, desk)
    assert copied.kept == ("01_draw.ipynb",)
    assert not (desk / "elsewhere").exists()


def test_they_are_copied_beside_the_work_and_that_is_said(
    wheel: Notebooks, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is settlesim-notebooks; a second time everything is there already."""
    target = prepare(wheel, None)
    assert target == desk / "settlesim-notebooks"
    assert capsys.readouterr().out == f"Copied to {target}: {', '.join(NAMES)}, img/count.svg.\n"
    (target / "01_draw.ipynb").write_text("my work")
    assert prepare(wheel, None) == target
    out = capsys.readouterr().out
    assert "There already: 02_settle.ipynb, img/count.svg.\n" in out
    assert "different, left as they are: 01_draw.ipynb." in out


def test_playing_leaves_a_clone_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the folder of a clone its copies are ignored by Git, and its notebooks not opened."""
    clone = Path(__file__).parents[2]
    notebooks = find_notebooks(clone / "settlesim")
    assert notebooks is not None
    assert notebooks == Notebooks(clone / "notebooks")
    assert "/settlesim-notebooks/" in (clone / ".gitignore").read_text("utf-8").splitlines()
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in notebooks.folder.iterdir() if path.is_file()}
    target = prepare(notebooks, None)
    assert target == tmp_path / "settlesim-notebooks"
    assert [path.name for path in sorted(target.glob("*.ipynb"))] == notebooks.names
    (target / notebooks.names[0]).write_text("played with")
    assert before == {path: path.read_bytes() for path in before}


def test_the_folder_of_the_notebooks_itself_is_opened_where_it_is_named(
    wheel: Notebooks, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who works on the notebooks gets them, not copies."""
    assert prepare(wheel, wheel.folder) == wheel.folder
    assert capsys.readouterr().out == ""
    assert list(desk.iterdir()) == []


def test_a_folder_that_can_not_be_written_is_one_clean_message(
    wheel: Notebooks, desk: Path
) -> None:
    """A file stands where the folder should be."""
    (desk / "settlesim-notebooks").write_text("a file")
    with pytest.raises(click.ClickException, match="cannot be copied to"):
        prepare(wheel, None)


# --- trust --------------------------------------------------------------------------------


def is_trusted(path: Path) -> bool:
    """Ask Jupyter."""
    nbformat: Any = importlib.import_module("nbformat")
    sign: Any = importlib.import_module("nbformat.sign")
    notary = sign.NotebookNotary()
    try:
        return bool(notary.check_signature(nbformat.read(path, as_version=4)))
    finally:
        notary.store.close()


def test_only_unchanged_notebooks_of_ours_are_trusted(wheel: Notebooks, desk: Path) -> None:
    """Not what a person changed, nor what else lies in the folder."""
    copy_notebooks(wheel.folder, desk)
    (desk / "02_settle.ipynb").write_text(notebook("changed"))
    (desk / "03_theirs.ipynb").write_text(notebook("from somewhere"))
    assert unchanged(wheel, desk) == [desk / "01_draw.ipynb"]
    prepare(wheel, desk)
    assert is_trusted(desk / "01_draw.ipynb")
    assert not is_trusted(desk / "02_settle.ipynb")
    assert not is_trusted(desk / "03_theirs.ipynb")


def test_trusting_changes_no_file_and_may_be_repeated(wheel: Notebooks, desk: Path) -> None:
    """The signature is kept by Jupyter, not in the notebook."""
    path = wheel.folder / "01_draw.ipynb"
    before = path.read_bytes()
    assert trust([path]) == []
    assert trust([path]) == []
    assert path.read_bytes() == before
    assert is_trusted(path)


def test_a_notebook_that_can_not_be_read_is_reported_and_the_others_trusted(
    wheel: Notebooks, desk: Path
) -> None:
    """Trust is a convenience; the lab opens all the same."""
    broken = desk / "01_draw.ipynb"
    broken.write_text("{")
    good = wheel.folder / "02_settle.ipynb"
    problems = trust([broken, good])
    assert len(problems) == 1
    assert problems[0].startswith("01_draw.ipynb could not be marked as trusted")
    assert is_trusted(good)


# --- the command --------------------------------------------------------------------------


def test_the_command_starts_jupyterlab_of_this_python_on_the_first_notebook(tmp_path: Path) -> None:
    """As a plain list of words."""
    assert lab_command(tmp_path, first="01_draw.ipynb") == [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={tmp_path}",
        "--LabApp.default_url=/lab/tree/01_draw.ipynb",
        "--ServerApp.answer_yes=True",
    ]


def test_port_browser_root_and_further_words_are_passed_on(tmp_path: Path) -> None:
    """What a person adds comes last and wins."""
    command = lab_command(
        tmp_path,
        first="01_draw.ipynb",
        port=0,
        browser=False,
        as_root=True,
        extra=["--ServerApp.answer_yes=False"],
    )
    assert command[6:] == [
        "--ServerApp.port=0",
        "--no-browser",
        "--allow-root",
        "--ServerApp.answer_yes=False",
    ]


def test_everything_that_is_required_is_in_the_lab_extra() -> None:
    """What `pip install settlesim[lab]` brings is enough."""
    pyproject = Path(__file__).parent.parent.parent / "pyproject.toml"
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    extra = {
        re.split(r"[^\w-]", each)[0].replace("-", "_")
        for each in project["optional-dependencies"]["lab"]
    }
    assert set(REQUIRED) <= extra


@pytest.mark.parametrize("module", REQUIRED)
def test_a_missing_extra_is_one_clean_message(
    run: Run, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """It says what to install."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError):
        require_lab()
    result = run("lab", "--no-browser")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: settlesim lab needs '{module}', which is not")
    assert "install settlesim[lab]" in result.stderr


@pytest.mark.parametrize("words", [("--port", "x"), ("--port", "70000"), ("--dir", "file")])
def test_wrong_options_are_usage_errors(here: Path, run: Run, words: tuple[str, str]) -> None:
    """Ports are numbers, folders are folders."""
    (here / "file").touch()
    result = run("lab", *words)
    assert result.exit_code == 2
    assert f"Invalid value for '{words[0]}'" in result.stderr
