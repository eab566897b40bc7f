"""The process that forks those that are killed; on a mutant where the tests run on one."""

from __future__ import annotations

import tests.mutants.plugin  # noqa: F401  before anything of the product is imported
from tests.chaos.nursery import main

if __name__ == "__main__":
    main()
