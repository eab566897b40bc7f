"""How every command behaves: errors, statuses, encodings, processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import settlesim
from settlesim import errors
from settlesim.cli import program
from settlesim.cli.command_group import Command, CommandGroup
from tests.cli.conftest import Run

CONTEXT = click.Context(program)
COMMANDS = program.list_commands(CONTEXT)


def settlesim_process(
    *words: str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command line in a process of its own, as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "settlesim", *words],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )


def failing(error: Exception) -> CommandGroup:
    """Return a program with one command, which fails."""
    group = CommandGroup("settlesim")

    @group.command(cls=Command)
    def fail() -> None:
        raise error

    return group


# --- errors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.ReadError(source="a.json", reason="is empty"), 2),
        (errors.DefinitionError(problems=[errors.Problem("initial", "is missing")]), 2),
        (errors.UnboundFunctionError(names=["work"]), 2),
        (errors.InvalidEventError(name="done.x", reason="is a reserved name"), 2),
        (errors.InvalidValueError(where="key", reason="is empty"), 2),
        (errors.StalledError(configuration=["b"]), 1),
        (errors.VersionConflictError(key="k", expected=1, actual=2), 1),
        (errors.StoreDamagedError(path="s.json", reason="it is no JSON"), 1),
        (errors.RendererMissingError(tried=["pygraphviz", "dot"]), 1),
        (errors.LayoutTimeoutError(seconds=2.0), 1),
        (errors.MissingExtraError(extra="lab", feature="settlesim lab", module="jupyterlab"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_of_settlesim_is_one_message(error: Exception, status: int) -> None:
    """2 where what was given is wrong, 1 where something went wrong; no traceback."""
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == status
    assert result.stderr == f"Error: {error}\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (["--debug", "fail"], {}),
        (["fail", "--debug"], {}),
        (["fail"], {"SETTLESIM_DEBUG": "1"}),
    ],
)
def test_debug_lets_the_error_through(words: list[str], environment: dict[str, str]) -> None:
    """Before the command, after it, or by the environment."""
    error = errors.StalledError(configuration=["b"])
    result = CliRunner(env=environment).invoke(failing(error), words)
    assert result.exception is error


def test_debug_shows_the_traceback_of_a_chart_that_can_not_be_imported(here: Path) -> None:
    """The person's own line is in it."""
    (here / "broken.py").write_text("chart = 1 / 0  # my mistake\n")
    done = settlesim_process("check", "broken:chart", cwd=here)
    assert done.returncode == 2
    assert done.stderr.startswith(b"Error: 'broken:chart': cannot be imported: ZeroDivisionError")
    assert b"Traceback" not in done.stderr
    done = settlesim_process("check", "broken:chart", "--debug", cwd=here)
    assert b"chart = 1 / 0  # my mistake" in done.stderr


def test_an_error_that_nobody_foresaw_is_not_swallowed() -> None:
    """Only errors of settlesim become messages."""
    error = ZeroDivisionError("unforeseen")
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exception is error


def test_a_wrong_command_is_a_usage_error(run: Run) -> None:
    """As click has it."""
    result = run("chek", "count")
    assert result.exit_code == 2
    assert "No such command 'chek'. Did you mean 'check'?" in result.stderr


# --- help ---------------------------------------------------------------------------------


def test_the_version_is_printed(run: Run) -> None:
    """The version of the distribution."""
    assert run("--version").stdout == f"settlesim, version {settlesim.__version__}\n"


@pytest.mark.parametrize("name", [None, *COMMANDS])
@pytest.mark.parametrize("option", ["-h", "--help"])
def test_every_command_has_help(run: Run, name: str | None, option: str) -> None:
    """No line is wider than a terminal, and none is cut."""
    result = run(*([name] if name else []), option)
    assert result.exit_code == 0
    assert "Usage:" in result.stdout
    assert not any(line.endswith("...") for line in result.stdout.splitlines()[1:])
    assert max(map(len, result.stdout.splitlines())) <= 100


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "lab"])
def test_every_option_has_help(name: str) -> None:
    """An option without a sentence is a riddle."""
    command = program.get_command(CONTEXT, name)
    assert command is not None
    for param in command.params:
        if isinstance(param, click.Option) and not param.hidden:
            assert param.help, param.name


def test_a_command_does_not_wait_for_the_modules_of_others(here: Path) -> None:
    """Only the command that is named is imported."""
    script = (
        "import sys; from settlesim.cli import program; program(['check', 'count'], standalone_mode"
        "=False); print(sorted(each for each in sys.modules if each.startswith('settlesim.sim')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=here, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == b"[]"


def test_help_needs_no_jupyter_and_no_renderer(here: Path) -> None:
    """What costs time is imported by the command that needs it."""
    script = (
        "import sys; from settlesim.cli import program; "
        "program(['--help'], standalone_mode=False); "
        "print(sorted({'IPython', 'jupyterlab', 'nbformat', 'pygraphviz', 'resvg_py'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=here, capture_output=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == b"[]"


# --- processes ----------------------------------------------------------------------------


def test_an_instance_lives_on_from_process_to_process(here: Path) -> None:
    """What one command saved, the next one finds."""
    for revision in (1, 2):
        done = settlesim_process(
            "settle", "count", "c1", "COUNT", "--store", "s.json", "--json", cwd=here
        )
        assert done.returncode == 0
        assert json.loads(done.stdout)["after"]["revision"] == revision
    shown = settlesim_process("show", "c1", "--store", "s.json", "--json", cwd=here)
    assert json.loads(shown.stdout)["context"] == {"count": 2}


def test_the_installed_command_finds_modules_of_the_current_folder(here: Path) -> None:
    """The script's own folder is not the person's."""
    script = Path(sys.executable).with_name("settlesim")
    if not script.exists():
        pytest.skip("settlesim is not installed as a command here")
    (here / "beside_me.py").write_text("from settlesim.gallery import order as chart\n")
    done = subprocess.run(
        [script, "check", "beside_me:chart"], cwd=here, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert b"PROVED" in done.stdout


def test_an_ascii_locale_changes_nothing(here: Path) -> None:
    """Names and values of every script are printed as UTF-8."""
    environment = {
        "LC_ALL": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "ascii",
    }
    data = json.dumps({"email": "käse@例え.jp"})  # as ASCII escapes on the command line
    done = settlesim_process(
        "settle", "signup", "k", "SIGN_UP", "--data", data, cwd=here, **environment
    )
    assert done.returncode == 0
    assert "käse@例え.jp" in done.stdout.decode()


def test_a_reader_that_goes_away_is_no_error(here: Path) -> None:
    """`settlesim ... | head` ends without a traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "settlesim", "gallery", "donut"],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    process.wait(timeout=60)
