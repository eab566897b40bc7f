"""How the tests are shared out among processes: ``pytest -n auto`` needs pytest-xdist."""

from __future__ import annotations

import os
from typing import Any

import pytest

LONGEST = ("tests/chaos/", "tests/browser/", "notebooks/")
"""What takes longest begins first, so that no process is left alone with it in the end."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processors this process may use, not how many cores have been sold."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give out whole files.

    The cells of a notebook share a kernel, and the tests of a module share what its fixtures
    have made.
    """
    from xdist.scheduler.loadfile import LoadFileScheduling

    config.option.loadscopereorder = False  # as they were collected, see below
    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes longest first, where several processes share the tests."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
