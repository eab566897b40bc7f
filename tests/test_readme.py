"""The README does what it says."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from settlesim import SqliteStore
from tests.documents import ROOT, examples, run

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = examples(TEXT)
LINES = re.findall(r"^(?:settlesim|python -c) .*$", TEXT, re.MULTILINE)
COMMANDS = [line.partition(" # ")[0].strip() for line in LINES]


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_an_example_prints_what_stands_below_it(code: str, printed: str, tmp_path: Path) -> None:
    """``python -c`` with an example prints the block that follows it."""
    done = run([sys.executable, "-c", code], tmp_path)
    assert done.stderr == ""
    assert done.stdout == printed


def test_every_python_block_has_its_output() -> None:
    """No example stands without what it prints."""
    assert len(EXAMPLES) == TEXT.count("```python") >= 2


def test_the_commands_run_in_their_order(tmp_path: Path) -> None:
    """The commands of the README end well, one after the other, in another folder."""
    assert len(COMMANDS) >= 10
    for command in COMMANDS:
        words = shlex.split(command)
        if words[:2] == ["settlesim", "work"]:
            continue  # it runs in another shell, see below
        if words[0] == "python":
            code, sign, target = words[2:]
            assert sign == ">"
            done = run([sys.executable, "-c", code], tmp_path)
            (tmp_path / target).write_text(done.stdout, encoding="utf-8")
        else:
            done = run([sys.executable, "-m", *words], tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert (tmp_path / "count.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "store.json").exists()

    [work] = [command for command in COMMANDS if command.startswith("settlesim work")]
    done = run([sys.executable, "-m", *shlex.split(work), "--until-empty"], tmp_path)
    assert done.returncode == 0, done.stderr
    with SqliteStore(tmp_path / "counts.db") as store:
        found = [store.load(key) for key in store.keys()]  # noqa: SIM118  # no mapping
    assert [(each.revision, each.context) for each in found if each] == [(50, {"count": 98})] * 20


def test_the_two_commands_name_extras_that_exist() -> None:
    """The install commands use the extras of pyproject.toml."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = re.findall(r"pip install -e '\.\[(\w+)\]'", TEXT)
    assert sorted(set(extras)) == ["dev", "lab"]
    assert all(f"\n{extra} = [" in pyproject for extra in extras)


def test_code_stands_by_line_twenty() -> None:
    """A reader sees code on the first screen."""
    lines = TEXT.splitlines()
    assert lines.index("```python") < 20
