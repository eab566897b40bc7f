"""``settlesim serve`` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.engines.restate_server import RestateServer, free_port

__all__ = ["Serving", "serving", "serving_over_restate"]

Serving = tuple[str, "subprocess.Popen[str]"]


@contextmanager
def serving(*words: str, **variables: str) -> Iterator[Serving]:
    """Run the command until it serves; give its URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "settlesim", "serve", "count", "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | variables,
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("Serving count on http://"), line + process.stderr.read()
        yield line.split()[3], process
    finally:
        process.kill()
        process.communicate()


def serving_over_restate(server: RestateServer) -> AbstractContextManager[Serving]:
    """Run the command over a Restate server."""
    return serving(
        *("--engine", "restate", "--service", "wait=done"),
        *("--ingress", server.ingress, "--admin", server.admin),
        *("--bind", f"127.0.0.1:{free_port()}"),
    )
