"""The program of the crash tests in a process of its own, which is killed at a system call.

``python -m tests.crash.real PATH ACKNOWLEDGED STEPS`` does the first steps on a store of the
real file system. How many are done is the size of the file ACKNOWLEDGED.
"""

from __future__ import annotations

import os
import sys

from settlesim.store.journal.files import FileSystem
from tests.crash.durable import DurableProgram


def main(path: str, acknowledged: str, steps: str) -> None:
    """Do the first steps."""
    descriptor = os.open(acknowledged, os.O_WRONLY | os.O_CREAT)
    program = DurableProgram(path=path)
    running = program.open(FileSystem())
    for step in range(int(steps)):
        running = program.perform(running, step)
        # Makes the file one byte longer by none of the calls at which the process is killed.
        os.posix_fallocate(descriptor, step, 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
