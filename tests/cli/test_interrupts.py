"""Ctrl-C and SIGTERM end a command without a traceback, and say so by the status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from settlesim.cli.running import interrupts_wait
from settlesim.store import FifoQueue, SqliteStore

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

SCRIPT = Path(sys.executable).with_name("settlesim")
STARTS = [[sys.executable, "-m", "settlesim"], [str(SCRIPT)]]

BLOCKING = """
import os
from settlesim import Chart

def wait(*arguments):
    os.write(int(os.environ["STARTED"]), b"x")
    while True:
        os.read(int(os.environ["NEVER"]), 1)

async def wait_in_a_service(call):
    wait()

if os.environ.get("AT_IMPORT"):
    wait()

chart = Chart(
    name="slow",
    states=[
        {"name": "a", "tags": ["settled"]},
        {"name": "busy", "invoke": {"src": "service", "on_done": "a", "on_error": "a"}},
    ],
    transitions=[
        ["GO", "a", "busy"], {"trigger": "ASK", "source": "a", "dest": "a", "conditions": "guard"}
    ],
    initial="a",
).bind({"service": wait_in_a_service, "guard": wait})
"""


@contextmanager
def waiting(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own that waits where a chart of its makes it wait."""
    Path("blocking.py").write_text(BLOCKING)
    (from_it, started), (never, ours) = os.pipe(), os.pipe()
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=(started, never),
        env={**os.environ, "STARTED": str(started), "NEVER": str(never), **environment},
    )
    for descriptor in (started, never):
        os.close(descriptor)
    try:
        if "--lines" not in command:
            assert os.read(from_it, 1) == b"x"
        yield process
    finally:
        process.kill()
        process.communicate()
        for descriptor in (from_it, ours):
            os.close(descriptor)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Return status and output of a process that ends by itself."""
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


@pytest.mark.parametrize("start", STARTS, ids=["module", "script"])
@pytest.mark.parametrize(
    "words",
    [
        ["settle", "blocking:chart", "k", "GO"],
        ["settle", "blocking:chart", "k", "ASK", "--store", "s.db"],
    ],
    ids=" ".join,
)
def test_an_interrupted_command_ends_with_130(
    here: Path, start: list[str], words: list[str]
) -> None:
    """In a service, and in a guard."""
    with waiting(*start, *words) as process:
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, "", "\nInterrupted.\n")


@pytest.mark.parametrize(
    "words",
    [
        ["check", "blocking:chart"],
        ["draw", "blocking:chart"],
        ["settle", "blocking:chart", "k", "GO"],
        ["send", "blocking:chart", "k", "GO", "--store", "s.db"],
        ["work", "blocking:chart", "--store", "s.db"],
        ["resume", "blocking:chart", "k", "--store", "s.db"],
        ["simulate", "blocking:chart", "GO"],
    ],
    ids=lambda words: words[0],
)
def test_a_command_is_interrupted_while_it_imports_a_chart(here: Path, words: list[str]) -> None:
    """All commands that import one."""
    (here / "s.db").touch()
    with waiting(*STARTS[0], *words, AT_IMPORT="1") as process:
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, "", "\nInterrupted.\n")


@pytest.mark.parametrize(
    "words", [["settle", "blocking:chart", "k", "GO"], ["check", "blocking:chart"]]
)
def test_sigterm_ends_a_command_silently(here: Path, words: list[str]) -> None:
    """As every program; a shell shows the status 143."""
    environment = {"AT_IMPORT": "1"} if words[0] == "check" else {}
    with waiting(*STARTS[0], *words, **environment) as process:
        process.send_signal(signal.SIGTERM)
        assert ended(process) == (-signal.SIGTERM, "", "")


@pytest.mark.parametrize("start", STARTS, ids=["module", "script"])
def test_an_interrupt_while_commands_are_imported_is_no_traceback(
    here: Path, start: list[str]
) -> None:
    """What imports click here says so, and then waits; status 130."""
    (here / "click.py").write_text(
        BLOCKING.partition("async def")[0].replace("from settlesim import Chart", "") + "\nwait()\n"
    )
    with waiting(*start, "gallery", PYTHONPATH=str(here)) as process:
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, "", "")


def test_an_ignored_interrupt_stays_ignored(here: Path) -> None:
    """A job that a shell started in the background does not end with the one before it."""
    source = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); "
        "from settlesim.cli import main; sys.argv = ['settlesim', *sys.argv[1:]]; main()"
    )
    words = ["send", "count", "--lines", "-", "--store", "s.db", "--json"]
    with waiting(sys.executable, "-c", source, *words) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(2):
            process.stdin.write('{"key": "a", "event": "COUNT"}\n')
            process.stdin.flush()
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
        assert ended(process) == (0, "", "")


# --- send --lines -------------------------------------------------------------------------


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_interrupted_lines_end_with_130_and_say_what_was_accepted(
    here: Path, as_json: list[str]
) -> None:
    """All that is told is on the disk, and nothing else."""
    words = ["send", "count", "--lines", "-", "--store", "s.db", *as_json]
    with waiting(*STARTS[0], *words) as process:
        assert process.stdin is not None
        process.stdin.write('{"key": "a", "event": "COUNT"}\n' * 3)
        process.stdin.flush()
        while depth() < 3:
            pass
        process.send_signal(signal.SIGINT)
        code, out, err = ended(process)
    assert (code, err) == (130, "Accepted 3 events, lines 1 to 3.\n\nInterrupted.\n")
    assert [json.loads(line)["message"] for line in out.splitlines()] == [1, 2, 3] * bool(as_json)
    assert depth() == 3


def depth() -> int:
    """How many events wait."""
    if not Path("s.db").exists():
        return 0
    with SqliteStore("s.db") as store:
        return FifoQueue(store, "count").status().depth


def test_an_interrupt_waits_until_a_write_is_told() -> None:
    """Then it is raised."""
    done = []

    def interrupted_write() -> None:
        with interrupts_wait():
            os.kill(os.getpid(), signal.SIGINT)
            done.append("written")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted_write()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with interrupts_wait():
            os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["written"]
