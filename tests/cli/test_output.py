"""Nothing that a command prints is obeyed by a terminal, and JSON means what it meant."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from settlesim import Chart
from settlesim.cli import output, program
from settlesim.cli.command_group import Command, CommandGroup
from settlesim.errors import StalledError
from tests.cli.conftest import Run

OBEYED = (
    "\x01\x07\x08\r\x0b\x1b\x7f\x85\x9b\xad\u200b\u200e\u202e\u2028\u2029\u2066\ufeff\U000e0041"
)
"""Controls, C1 controls, marks of direction, line separators, and what is not seen."""
KEY = f"k{OBEYED}\x1b[2J\x9b31m\x1b]0;title\x07end"


def obeyed(text: str) -> set[str]:
    """What of a text a terminal would not just print."""
    return {each for each in text if not each.isprintable() and each not in "\n\t"}


@given(st.text())
def test_an_escaped_text_is_printed_as_it_is_and_escaped_once(text: str) -> None:
    """Characters beyond the first plane and lone surrogates too."""
    assert not obeyed(output.escaped(text))
    assert output.escaped(output.escaped(text)) == output.escaped(text)
    assert output.escaped(text, layout=False).isprintable()


@given(st.recursive(st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)))
def test_escaped_json_is_json_of_the_same_value(value: object) -> None:
    """In one line, and in many."""
    for indent in (None, 2):
        text = json.dumps(value, ensure_ascii=False, indent=indent)
        assert json.loads(output.escaped(text)) == value


# --- every command -------------------------------------------------------------------------


@pytest.fixture
def limbo(here: Path) -> str:
    """A chart with marks of direction in every name, whose event never settles."""
    name = "a\u202eb"
    states: list[Any] = [{"name": name, "tags": ["settled"]}, {"name": f"{name}2"}]
    ways = [[f"{name}3", name, f"{name}2"], ["OK", name, "="]]
    chart = Chart(name=f"{name}4", initial=name, states=states, transitions=ways)
    (here / "c.json").write_text(json.dumps(chart.to_dict()))
    return "c.json"


def test_no_command_prints_what_a_terminal_obeys(limbo: str, run: Run, here: Path) -> None:
    """Of keys, names, data, paths and errors, as text and as JSON."""
    event, store = "a\u202eb3", "s\x9b\u202e.db"
    (here / "lines").write_text(json.dumps({"key": KEY, "event": "OK", "data": OBEYED}) + "\n")
    (here / "bad").write_text(json.dumps({"key": 5, KEY: KEY}) + "\n")
    to = ("--store", store)
    work = ("work", limbo, *to, "--until-empty", "--max-failures", "1", "--policy", "halt")
    lines = [
        ("send", limbo, KEY, event, *to, "--json"),
        ("send", limbo, KEY, "OK", *to),
        ("send", limbo, "--lines", "lines", *to, "--json"),
        ("send", limbo, "--lines", "bad", *to),
        ("send", limbo, KEY, KEY, *to),
        ("status", *to),
        ("status", *to, "--json"),
        work,
        (*work, "--log", "json"),
        ("status", *to),
        ("dead-letters", *to),
        ("dead-letters", *to, "--json"),
        ("redrive", *to),
        ("redrive", *to, "--queue", KEY),
        ("resume", limbo, KEY, *to),
        (*work, "--policy", "skip"),
        ("settle", limbo, KEY, "OK", *to),
        ("settle", limbo, KEY, "OK", *to, "--data", json.dumps(KEY), "--json"),
        ("settle", limbo, KEY, event, *to),
        ("settle", limbo, KEY, KEY, *to),
        ("settle", limbo, KEY, "OK", "--data", KEY),
        ("show", *to),
        ("show", *to, "--json"),
        ("show", KEY, *to, "--history"),
        ("show", KEY, *to, "--history", "--json"),
        ("show", f"{KEY}2", *to),
        ("show", KEY, "--store", KEY),
        ("show", KEY, "--store", f"{KEY}.db"),
        ("find", *to, "--limit", "1"),
        ("find", *to, "--json"),
        ("find", *to, "--state", KEY),
        ("log", *to),
        ("log", *to, "--json"),
        ("prune", *to, "--older-than", KEY),
        ("prune", *to, "--older-than", "0s", "--json"),
        ("verify", *to),
        ("verify", *to, "--json"),
        ("verify", "--store", KEY),
        ("verify", "--store", f"{KEY}.json"),
        ("backup", "b\u202e.db", *to),
        ("backup", "b\u202e.db", *to),
        ("backup", "b\u202e.json", *to),
        ("check", limbo),
        ("check", limbo, "--json"),
        ("check", KEY),
        ("check", f"{KEY}:{KEY}"),
        ("draw", limbo),
        ("draw", limbo, "--format", "dot"),
        ("draw", limbo, "--format", "mermaid"),
        ("draw", limbo, "--state", KEY),
        ("draw", limbo, "-o", f"{KEY}.zip"),
        ("draw", limbo, "-o", "p\u202e.svg"),
        ("gallery", KEY),
        ("simulate", limbo, f"k\u202e:{event}", "OK"),
        ("simulate", limbo, "OK", "OK", "--json"),
        ("simulate", limbo, KEY),
        ("simulate", limbo, "OK", "OK", "--replay", KEY),
    ]
    for words in lines:
        result = run(*words)
        assert result.exception is None or isinstance(result.exception, SystemExit), words
        assert result.output, words
        assert not obeyed(result.output), words
        if "--json" in words:
            for each in result.stdout.splitlines() if words[0] == "send" else [result.stdout]:
                json.loads(each)


def test_json_lines_of_send_and_status_mean_what_was_sent(here: Path, run: Run) -> None:
    """The key comes back whole."""
    result = run("send", "count", KEY, "COUNT", "--store", "s.db", "--json")
    assert json.loads(result.stdout)["key"] == KEY
    text = json.dumps({"key": KEY, "event": "COUNT"})
    result = run("send", "count", "--lines", "-", "--store", "s.db", "--json", input=text)
    assert json.loads(result.stdout)["key"] == KEY


def test_a_drawn_name_is_the_same_name_for_a_reader_of_the_picture(limbo: str, run: Run) -> None:
    """References stand for what is not printed raw."""
    for words in ((), ("--format", "dot")):
        assert "a&#8238;b" in run("draw", limbo, *words).stdout


@pytest.mark.parametrize("text", [KEY, "x\nError: the disk is full", "x\r\n"])
def test_an_argument_that_click_repeats_is_escaped_and_stays_in_its_line(
    run: Run, text: str
) -> None:
    """An unknown command, an unknown option, too many words, a wrong value."""
    for words in (
        [text],
        [f"--{text}"],
        ["check", f"--{text}"],
        ["check", "count", text],
        ["check", "count", "--limit", text],
        ["draw", "count", "--theme", text],
        ["status", "--store", text],
        ["check", text],
    ):
        result = run(*words)
        assert result.exit_code == 2
        assert not obeyed(result.output)
        assert len([line for line in result.stderr.splitlines() if line.startswith("Error")]) == 1


# --- where text does not go through a command ----------------------------------------------


def failing(error: Exception) -> CommandGroup:
    """Return a program with one command, which prints and fails."""
    group = CommandGroup("settlesim")

    @group.command(cls=Command)
    def fail() -> None:
        print(KEY)
        click.echo(KEY, err=True)
        raise error

    return group


@pytest.mark.parametrize("error", [click.ClickException(KEY), StalledError(configuration=[KEY])])
def test_a_command_that_forgets_it_prints_nothing_that_is_obeyed(error: Exception) -> None:
    """With `print`, with `click.echo`, with its error."""
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.output.count("\\u009b31m") >= 2
    assert "Error: " in result.stderr
    assert not obeyed(result.output)


def test_what_is_hostile_is_shown_and_not_left_out() -> None:
    """Also where click would take sequences for colours out."""
    group = CommandGroup("settlesim")

    @group.command(cls=Command)
    def fail() -> None:
        click.echo("a\x1b[31mb")
        raise click.ClickException("a\x1b[31mb")

    result = CliRunner().invoke(group, ["fail"])
    assert (result.stdout, result.stderr) == ("a\\u001b[31mb\n", "Error: a\\u001b[31mb\n")


def test_a_traceback_is_escaped_too(here: Path) -> None:
    """It is printed when the command line has ended."""
    (here / "broken.py").write_text(f"raise ValueError({KEY!r})\n")
    done = subprocess.run(
        [sys.executable, "-m", "settlesim", "check", "broken:chart", "--debug"],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert b"Traceback" in done.stderr
    assert b"title" in done.stderr
    assert not obeyed(done.stderr.decode())


def test_the_streams_are_afterwards_what_they_were() -> None:
    """A program that is called as a function leaves nothing behind."""
    before = sys.stdout, sys.stderr
    program(["gallery"], standalone_mode=False)
    assert (sys.stdout, sys.stderr) == before


def test_a_stream_is_wrapped_once_and_bytes_stay_bytes() -> None:
    """A picture in PNG is no text; where there is no stream there is none to wrap."""
    raw = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    stream = output.visible(raw)
    assert output.visible(stream) is stream
    assert output.unfiltered(stream) is raw
    stream.writelines(["\x9b", "a\n"])
    stream.flush()
    stream.buffer.write(b"\x9b")
    assert raw.buffer.getvalue() == b"\\u009ba\n\x9b"
    assert output.visible(None) is None  # type: ignore[arg-type]


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_terminal_gets_the_sequences_that_settlesim_means(here: Path, run: Run) -> None:
    """``status --watch`` clears the screen; a key in it does not."""
    run("send", "count", "k\x1b[31m", "COUNT", "--store", "s.db")
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "settlesim", "status", "--store", "s.db", "--watch"],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            assert os.read(ours, 100).startswith(b"\x1b[2J\x1b[1;1H")
        finally:
            process.kill()
    os.close(ours)
    os.close(theirs)
