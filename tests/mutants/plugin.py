"""A pytest plugin that runs the tests on a mutant: the product with one piece replaced.

``MUTANT=NAME python -m pytest -p tests.mutants.plugin ...``; without the variable nothing is
replaced. The source is changed while its module is imported, so that nothing is written.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType
from typing import Any

from tests.mutants.mutants import MUTANTS, Mutant


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles a module's source with one piece replaced."""

    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        # Not from the cache of compiled modules, nor into it.
        text = self.get_data(self.path).decode()
        code = compile(self.mutant.apply(text), self.path, "exec", dont_inherit=True)
        assert isinstance(code, CodeType)
        return code


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> Any:
        if fullname != self.mutant.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.origin is not None
        loader = _Loader(fullname, spec.origin)
        loader.mutant = self.mutant
        spec.loader = loader
        return spec


def _install() -> None:
    name = os.environ.get("MUTANT")
    if name:
        mutant = next(each for each in MUTANTS if each.name == name)
        assert mutant.module not in sys.modules, f"{mutant.module} is imported already"
        sys.meta_path.insert(0, _Finder(mutant))


_install()
