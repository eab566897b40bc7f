"""How the tests are distributed among processes: ``pytest -n auto`` needs pytest-xdist."""

from __future__ import annotations

import os
from typing import Any

import pytest

LONGEST = ("tests/chaos/", "tests/browser/", "notebooks/")
"""The longest tests start first, so that the processes finish at about the same time."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than the processors that this process may use.

    A quarter of their time tests wait for browsers, servers and kernels.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) + 1
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute whole files.

    The cells of a notebook share a kernel, and the tests of a module share what its fixtures
    have made.
    """
    from xdist.scheduler.loadfile import LoadFileScheduling

    config.option.loadscopereorder = False  # as they were collected, see below
    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the longest tests first if several processes share the tests."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
