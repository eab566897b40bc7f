"""The command line in this process, and a chart of a person's own in an empty folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner, Result

from settlesim.cli import program

Run: TypeAlias = Callable[..., Result]

PARCEL: dict[str, Any] = {
    "name": "parcel",
    "initial": "packed",
    "context": {"tries": 0},
    "states": [
        {"name": "packed", "tags": ["settled"]},
        {
            "name": "driving",
            "invoke": {
                "src": "drive",
                "on_done": {"dest": "delivered", "assign": "keep_time"},
                "on_error": {"dest": "refused", "assign": "count_try"},
            },
        },
        {"name": "refused", "tags": ["reject"]},
        {"name": "delivered", "final": True},
    ],
    "transitions": [
        {"trigger": "SEND", "source": "packed", "dest": "driving", "conditions": "is_paid"}
    ],
}
"""Names a guard, a service and two assigns, and has no functions."""


@pytest.fixture
def run() -> Run:
    """Run one command line in this process."""

    def call(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(program, list(words), **options)

    return call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def parcel(here: Path) -> str:
    """The file name of a chart without functions, in the current folder."""
    (here / "parcel.json").write_text(json.dumps(PARCEL), encoding="utf-8")
    return "parcel.json"
