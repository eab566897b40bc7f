"""Ctrl-C, or Jupyter's "interrupt kernel", at every line of the store's code."""

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
from tests.crash.durable import Bench, DurableProgram
from tests.crash.model_disk import ModelDisk
from tests.crash.model_files import ModelFiles

STORE = str(Path(settlesim.store.__file__).parent)


class Interrupter:
    """Sends this process SIGINT before the how-manieth line of the store's code that runs."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.lines = 0
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Interrupter | None:
        if not frame.f_code.co_filename.startswith(STORE):
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.line:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                # Python calls the handler at once: the store's, or the one that raises.
                signal.raise_signal(signal.SIGINT)
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
