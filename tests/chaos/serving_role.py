"""The command line's server, as a process that is killed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from tests.chaos.roles import run

__all__ = ["ROLES", "prepare", "serve"]

LATE = (
    "settlesim.engines",
    "settlesim.http.serving",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.auto",
)
"""What the command imports when it is run."""


def prepare(words: list[str]) -> None:
    """Import it before the fork: that takes longer than all else that a server does here."""
    for name in LATE:
        importlib.import_module(name)


def serve(folder: Path, *, words: list[str]) -> None:
    """Serve until a signal ends it."""
    run("serve", *words)


ROLES: dict[str, Callable[..., None]] = {"serve": serve}
