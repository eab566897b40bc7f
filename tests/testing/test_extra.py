"""`settlesim.testing` needs pytest and Hypothesis; nothing else of the library does."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.documents import run


def test_the_library_needs_neither_pytest_nor_hypothesis(tmp_path: Path) -> None:
    """They are loaded with `settlesim.testing`, not before."""
    script = "import sys, settlesim, settlesim.store; print(sorted({'pytest', 'hypothesis'}"
    done = run([sys.executable, "-c", f"{script} & set(sys.modules)))"], tmp_path)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", ["pytest", "hypothesis"])
def test_what_is_missing_is_told_with_the_extra(name: str, tmp_path: Path) -> None:
    """In one sentence that says what to install."""
    script = f"import sys; sys.modules[{name!r}] = None; import settlesim.testing"
    done = run([sys.executable, "-c", script], tmp_path)
    assert done.stderr.splitlines()[-1] == (
        f"settlesim.errors.MissingExtraError: settlesim.testing needs '{name}', which is "
        "not installed: install settlesim[testing] and start again."
    )
