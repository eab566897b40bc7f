"""The names of the public API, and their documentation."""

from __future__ import annotations

import doctest
import importlib
import inspect
import os
import pkgutil

import pytest

import settlesim
from settlesim.errors import MissingExtraError

PACKAGES = [
    "settlesim",
    "settlesim.chart",
    "settlesim.check",
    "settlesim.engines",
    "settlesim.errors",
    "settlesim.formats",
    "settlesim.gallery",
    "settlesim.http",
    "settlesim.machine",
    "settlesim.ports",
    "settlesim.progress",
    "settlesim.runtime",
    "settlesim.settling",
    "settlesim.sim",
    "settlesim.store",
    "settlesim.testing",
    "settlesim.view",
    "settlesim.widgets",
]
ALL_MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(settlesim.__path__, "settlesim.")
    if not found.name.endswith(("__main__", "_child"))
)


@pytest.mark.parametrize("name", PACKAGES)
def test_all_is_sorted_and_whole(name: str) -> None:
    """``__all__`` is sorted as ruff sorts it, and every name in it exists."""
    module = importlib.import_module(name)
    names = list(module.__all__)
    assert names == sorted(names, key=_ruff_order)
    assert all(hasattr(module, each) for each in names)


def _ruff_order(name: str) -> tuple[int, str]:
    rank = 0 if name.isupper() else 1 if name[0].isupper() else 2
    return rank, name


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_is_documented(name: str) -> None:
    """Every public class and function has a docstring of its own."""
    module = importlib.import_module(name)
    for each in module.__all__:
        value = getattr(module, each)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert (value.__doc__ or "").strip(), each
            assert not (value.__doc__ or "").startswith(f"{each}("), each


@pytest.mark.parametrize("name", ["settlesim", *ALL_MODULES])
def test_the_examples_in_docstrings_run(name: str) -> None:
    """Every example in a docstring gives what it says."""
    try:
        module = importlib.import_module(name)
    except MissingExtraError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    if ">>>" in inspect.getsource(
        module
    ):  # to look through the others takes longer than to run these
        failures, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
        assert failures == 0
