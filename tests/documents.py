"""Extracts the examples from a document of the project, and runs them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ROOT", "blocks", "examples", "run", "with_outputs"]

ROOT = Path(__file__).parent.parent

_FILE = re.compile(r'^```\w+ title="(?P<name>[^"]+)"\n(?P<body>.*?)^```$', re.DOTALL | re.MULTILINE)
_RUNS = re.compile(
    r"^```python\n(?P<code>.*?)^```\n\n```text\n(?P<printed>.*?)^```$"
    r"|^```console\n(?P<session>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_SECONDS = re.compile(r"\d+\.\d+ ?s\b")


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


def with_outputs(text: str, folder: Path) -> str:
    """Return a document with the current outputs of its examples.

    A block with a ``title`` is a file, and is written into `folder` first. A ``python`` block
    that is followed by a ``text`` block is run there, and so is every line of a ``console`` block
    that begins with ``$``. If only seconds differ, the old output is kept; a command without
    output in the document stays without.

    Raises
    ------
    AssertionError
        An example of Python ends with an error.
    """
    for found in _FILE.finditer(text):
        (folder / found["name"]).write_text(found["body"], encoding="utf-8")
    return _RUNS.sub(lambda found: _run_again(found, folder), text)


def _run_again(found: re.Match[str], folder: Path) -> str:
    if found["session"] is not None:
        return f"```console\n{''.join(_session(found['session'], folder))}```"
    done = run([sys.executable, "-c", found["code"]], folder)
    assert done.stderr == "", done.stderr
    printed = _kept(found["printed"], done.stdout)
    return f"```python\n{found['code']}```\n\n```text\n{printed}```"


def _session(session: str, folder: Path) -> Iterator[str]:
    here = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTEST_ADDOPTS": "-p no:nbval -p no:schemathesis",  # seconds to import, and not used
    }
    for command, shown in re.findall(r"^\$ (.*\n)((?:(?!\$ ).*\n)*)", session, re.MULTILINE):
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, env=here, text=True, check=False, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert "Traceback" not in done.stdout, done.stdout
        yield f"$ {command}{_kept(shown, done.stdout) if shown else ''}"
        if shown.endswith("\n\n"):
            yield "\n"


def _kept(old: str, new: str) -> str:
    """Return the old output if only seconds have changed, otherwise the new one."""
    old, new = old.strip("\n") + "\n", new.strip("\n") + "\n"
    return old if _SECONDS.sub("s", old) == _SECONDS.sub("s", new) else new
