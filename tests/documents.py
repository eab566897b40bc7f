"""Reads the examples out of a document of the project, and runs them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

__all__ = ["ROOT", "blocks", "examples", "run"]

ROOT = Path(__file__).parent.parent


def blocks(text: str, language: str) -> list[str]:
    """Return the insides of all blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def examples(text: str) -> list[tuple[str, str]]:
    """Return every python block that is followed by a text block, with that block."""
    return re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.DOTALL)


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder to its end."""
    return subprocess.run(
        arguments, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
