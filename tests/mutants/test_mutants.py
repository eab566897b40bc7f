"""The tests bite: each mutant of the product is caught by tests that pass without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.documents import ROOT
from tests.mutants.mutants import MUTANTS, Mutant

Run = subprocess.CompletedProcess[str]


def run(tests: list[str], mutant: str = "") -> Run:
    """Run tests on a mutant, or on the product as it is."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.mutants.plugin",
        "-p",
        "no:cacheprovider",
    ]
    return subprocess.run(
        [*command, "-x", "-q", "-rfE", *(f"tests/{test}" for test in tests)],
        cwd=ROOT,
        env={**os.environ, "MUTANT": mutant, "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def runs() -> Iterator[dict[str, Future[Run]]]:
    """All runs, as many at a time as there are processors; the product itself is one of them."""
    everything = sorted({test for mutant in MUTANTS for test in mutant.tests})
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        futures = {"": pool.submit(run, everything)}  # the longest one first
        futures |= {each.name: pool.submit(run, list(each.tests), each.name) for each in MUTANTS}
        yield futures


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_caught(
    mutant: Mutant, runs: dict[str, Future[Run]], finding: Callable[[object], None]
) -> None:
    """At least one test fails, and does so as a test, not while it is collected."""
    done = runs[mutant.name].result()
    assert done.returncode == 1, f"{mutant.name} survives:\n{done.stdout}\n{done.stderr}"
    failed = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    assert failed, done.stdout
    finding(f"mutant: {mutant.name}; caught by {failed[0]}")


def test_the_same_tests_pass_without_a_mutant(runs: dict[str, Future[Run]]) -> None:
    """What catches the mutants does not fail for another reason."""
    done = runs[""].result()
    assert done.returncode == 0, done.stdout + done.stderr
