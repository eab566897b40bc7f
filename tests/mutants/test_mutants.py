"""The tests bite: each mutant of the product is caught by tests that pass without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.documents import ROOT
from tests.mutants.mutants import MUTANTS, Mutant

Run = subprocess.CompletedProcess[str]


def run(mutant: Mutant, *, applied: bool) -> Run:
    """Run the tests that should notice a mutant, on it or on the product as it is."""
    plugins = ["-p", "tests.mutants.plugin", "-p", "no:cacheprovider"]
    where = [f"tests/{each}" for each in mutant.where]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-x", "-q", "-rfE", "-k", mutant.names, *where],
        cwd=ROOT,
        env={**os.environ, "MUTANT": mutant.name if applied else "", "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[tuple[str, bool], Future[Run]]]:
    """All runs, as many at a time as there are processors."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            (mutant.name, applied): pool.submit(run, mutant, applied=applied)
            for mutant in MUTANTS
            for applied in (True, False)
        }


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_follows_the_product(mutant: Mutant) -> None:
    """What it replaces is there, and what comes of it is Python."""
    spec = find_spec(mutant.module)
    assert spec is not None
    assert spec.origin is not None
    source = Path(spec.origin).read_text(encoding="utf-8")
    compile(mutant.apply(source), spec.origin, "exec")


@pytest.mark.nightly
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(
    mutant: Mutant,
    runs: dict[tuple[str, bool], Future[Run]],
    finding: Callable[[object], None],
) -> None:
    """At least one test fails, as a test and not while it is collected; without it all pass."""
    done = runs[mutant.name, True].result()
    assert done.returncode == 1, f"{mutant.name} survives:\n{done.stdout}\n{done.stderr}"
    failed = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    assert failed, done.stdout
    whole = runs[mutant.name, False].result()
    assert whole.returncode == 0, whole.stdout + whole.stderr
    finding(f"mutant: {mutant.name}; caught by {failed[0]}")
