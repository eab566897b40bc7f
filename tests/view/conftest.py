"""Charts that have every sign, and a stand-in for a ``dot`` of the system."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from settlesim.chart import Chart


@pytest.fixture(scope="session")
def everything() -> Chart:
    """A chart with every kind of node and of transition."""
    return Chart(
        name="everything",
        initial="idle",
        states=[
            {"name": "idle", "tags": ["settled"], "on_enter": "log"},
            {
                "name": "asking",
                "always": [{"dest": "working", "conditions": "big", "unless": "old"}],
            },
            {
                "name": "working",
                "invoke": {"src": "work", "timeout": 5, "on_done": "both", "on_error": "refused"},
                "after": {"2.5": "idle"},
            },
            {
                "name": "both",
                "on_done": "over",
                "parallel": [
                    {
                        "name": "left",
                        "initial": "one",
                        "children": ["one", {"name": "two", "final": True}],
                    },
                    {
                        "name": "right",
                        "initial": "one",
                        "children": ["one", {"name": "two", "final": True}],
                    },
                ],
            },
            {"name": "refused", "tags": ["reject"]},
            {"name": "over", "final": True},
        ],
        transitions=[
            {"trigger": "ASK", "source": "idle", "dest": "asking", "assign": "note"},
            ["NEXT", "both.left.one", "both.left.two"],
            ["PING", "idle", None],
        ],
    )


@pytest.fixture(scope="session")
def dense() -> Chart:
    """A chart that keeps Graphviz busy for much longer than any test waits."""
    names = [f"s{index}" for index in range(120)]
    transitions = [
        [f"E{index}", source, names[(index * step + step) % len(names)]]
        for step in (7, 11, 17, 29, 41)
        for index, source in enumerate(names)
    ]
    return Chart(names, transitions, "s0", name="dense")


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Return what makes an executable that stands for ``dot``, from the lines of its body."""
    if os.name != "posix":
        pytest.skip("a script is no program there")

    def make(body: str) -> str:
        path = tmp_path / "dot"
        path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    return make
