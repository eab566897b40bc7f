"""Ctrl-C, or Jupyter's "interrupt kernel", at every line; and other signals."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import settlesim.store
from settlesim.store.journal.database import JournalDatabase
from tests.crash.durable import PATH, Bench, DurableProgram
from tests.crash.model_disk import ModelDisk
from tests.crash.model_files import ModelFiles
from tests.crash.test_failed_syncs import keys, put

STORE = str(Path(settlesim.store.__file__).parent)

APPENDING = frozenset({"append", "_advance"})
"""The functions that write a record and take it into memory."""


class Interrupter:
    """Sends this process a signal before the how-manieth line of the store's code that runs.

    Parameters
    ----------
    functions : the names of those whose lines count; all where nothing is said
    """

    def __init__(
        self,
        line: int,
        number: signal.Signals = signal.SIGINT,
        functions: frozenset[str] = frozenset(),
    ) -> None:
        self.line = line
        self.number = number
        self.functions = functions
        self.lines = 0
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Interrupter | None:
        if not frame.f_code.co_filename.startswith(STORE):
            return None
        if self.functions and frame.f_code.co_name not in self.functions:
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.line:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                # Python calls the handler at once: the store's, or the one that raises.
                signal.raise_signal(self.number)
        return self


def interrupted(
    program: DurableProgram, disk: ModelDisk, step: int, line: int
) -> tuple[Interrupter, Bench, bool]:
    """Do the steps, and interrupt one; say also whether the interrupt came through."""
    running = program.open(ModelFiles(disk))
    for before in range(step):
        program.perform(running, before)
    interrupter, came = Interrupter(line), False
    previous = sys.gettrace()
    sys.settrace(interrupter)
    try:
        program.perform(running, step)
    except KeyboardInterrupt:
        came = True
    finally:
        sys.settrace(previous)
    return interrupter, running, came


@pytest.mark.parametrize("step", [4, 5], ids=["a reception", "a settlement"])
def test_interrupt_at_any_line_leaves_one_state_in_memory_and_on_the_disk(
    step: int, finding: Callable[[object], None]
) -> None:
    """The same object goes on to the end; the interrupt is held back, never swallowed."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    program = DurableProgram(steps=9)
    gc.disable()  # a destructor of the store before would be interrupted, and tell nobody
    try:
        lines = interrupted(program, ModelDisk(), step, 0)[0].lines
        for line in range(1, lines + 1):
            disk = ModelDisk()
            interrupter, running, came = interrupted(program, disk, step, line)
            assert came, f"the interrupt at {interrupter.where} was swallowed"
            state = program.state(running)
            assert state in program.states[step : step + 2], interrupter.where
            other = program.open(ModelFiles(disk.copy()))
            assert program.state(other) == state, interrupter.where
            for later in range(step + (state == program.states[step + 1]), 9):
                running = program.perform(running, later)
            assert program.state(running) == program.states[9], interrupter.where
    finally:
        gc.enable()
        signal.signal(signal.SIGINT, handler)
    finding(f"interrupts at {lines} lines of the store's code, step {step}: none did harm")
    assert lines > 100


class TimeIsUpError(Exception):
    """Raised by the handler of a signal that is not held back."""


def append_interrupted(disk: ModelDisk, line: int) -> tuple[Interrupter, JournalDatabase]:
    """Save a document, and send SIGALRM at a line of the code that writes its record."""
    database = JournalDatabase(PATH, files=ModelFiles(disk), now=lambda: 0.0)
    put(database, "one")
    interrupter = Interrupter(line, signal.SIGALRM, APPENDING)
    previous = sys.gettrace()
    sys.settrace(interrupter)
    try:
        put(database, "two")
    except TimeIsUpError:
        pass
    finally:
        sys.settrace(previous)
    return interrupter, database


def test_timeout_while_a_record_is_written_loses_no_later_save() -> None:
    """The record may be in the file already, so that all is read anew."""

    def time_out(number: int, frame: FrameType | None) -> None:
        raise TimeIsUpError

    handler = signal.signal(signal.SIGALRM, time_out)
    try:
        lines = append_interrupted(ModelDisk(), 0)[0].lines
        for line in range(1, lines + 1):
            disk = ModelDisk()
            interrupter, database = append_interrupted(disk, line)
            assert interrupter.where
            put(database, "three")
            found = keys(database)
            assert found in (["one", "three"], ["one", "two", "three"]), interrupter.where
            other = JournalDatabase(PATH, files=ModelFiles(disk.copy()))
            assert keys(other) == found, interrupter.where
    finally:
        signal.signal(signal.SIGALRM, handler)
    assert lines > 20
